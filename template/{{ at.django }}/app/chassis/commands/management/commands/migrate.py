"""`manage.py migrate` as Django has it, one process at a time: replicas may all migrate when they start."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from app.chassis import dialect

LOOK_AGAIN_SECONDS = 0.1


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with alone(connections[options["database"]]):
            super().handle(*args, **options)


@contextmanager
def alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    dialect.prepare_migration(connection)
    while not dialect.try_lock(connection):
        time.sleep(LOOK_AGAIN_SECONDS)
    try:
        yield
    finally:
        dialect.unlock(connection)
