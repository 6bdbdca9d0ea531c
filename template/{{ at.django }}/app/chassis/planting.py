"""Lets the features' `seed` functions make their rows."""

import os
import sys
from collections.abc import Callable, Mapping

import django
from django.db import DatabaseError

from app.chassis import logging

Seed = Callable[..., int]


def run(work: Callable[[], None]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup()
    logging.configure()
    try:
        work()
    except DatabaseError as error:
        sys.exit(f"{error}\nIf a table is missing: run `make migrate`.")


def plant(seeds: Mapping[str, Seed], *, count: int, owner: str) -> dict[str, int]:
    """How many rows each made: `seed(count=20, owner="ada")`, all in one transaction."""
    from app.chassis.transactions import in_transaction  # noqa: PLC0415 - Django is set up by now

    def everything() -> dict[str, int]:
        return {name: seed(count=count, owner=owner) for name, seed in seeds.items()}

    return in_transaction(everything)
