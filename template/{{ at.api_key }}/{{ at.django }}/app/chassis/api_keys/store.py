"""The keys in the database, as requests meet them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, OperationalError

from app.chassis import database
from app.chassis.api_keys import Stored
from app.chassis.api_keys.models import ApiKey
from app.chassis.errors import Unavailable

COLUMNS = [field.name for field in fields(Stored)]


def find(key_id: str, judge: Callable[[Stored | None], bool], give_up: Callable[[Unavailable], None]) -> None:
    """Let `judge` see what is stored; it says whether to write down that the key is used."""
    # Django has not begun with this request, and may never do.
    database.renew_connection()
    try:
        row = ApiKey.objects.filter(id=key_id).values(*COLUMNS).first()
        if judge(None if row is None else Stored(**row)):
            # Nobody is turned away because that could not be written.
            with suppress(DatabaseError):
                ApiKey.objects.filter(id=key_id).update(last_used_at=datetime.now(UTC))
    except (OperationalError, InterfaceError) as error:
        if not database.is_unavailable(error):
            raise
        give_up(Unavailable("The database does not answer; try again."))
    finally:
        database.renew_connection()


def add(stored: Stored, headers: Mapping[str, str]) -> Mapping[str, str]:
    """For tests: the headers, now that they are worth something."""
    ApiKey.objects.create(**asdict(stored))
    return headers
