"""The keys in the database, as the command meets them."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, fields

import django
from django.db import DatabaseError

from app.chassis import logging
from app.chassis.api_keys import Stored


def run(work: Callable[[], None]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup()
    logging.configure()
    try:
        work()
    except DatabaseError as error:
        sys.exit(f"{error}\nIf the table is missing: run `make migrate`.")


def every() -> list[Stored]:
    """The oldest first."""
    from app.chassis.api_keys.models import ApiKey  # noqa: PLC0415 - Django is set up by now

    columns = [field.name for field in fields(Stored)]
    return [Stored(**row) for row in ApiKey.objects.order_by("created_at", "id").values(*columns)]


def add(stored: Stored) -> None:
    from app.chassis.api_keys.models import ApiKey  # noqa: PLC0415 - as above

    ApiKey.objects.create(**asdict(stored))


def change(stored: Stored) -> None:
    """When it ends."""
    from app.chassis.api_keys.models import ApiKey  # noqa: PLC0415 - as above

    ends = {"expires_at": stored.expires_at, "revoked_at": stored.revoked_at}
    ApiKey.objects.filter(id=stored.id).update(**ends)
