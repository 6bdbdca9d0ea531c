"""Work in a transaction of its own, run again when the database takes it back in favour of another one."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connection, transaction

from app.chassis import conflicts, database
from app.chassis.settings import load

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_transaction(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """What `work(...)` returns, committed.

    A transaction that lost against another one (a serialisation failure, a deadlock) is run again from its beginning,
    up to DATABASE_RETRIES times and within the request's time: what the work does elsewhere it may do more than once.
    Inside `transaction.atomic` it is part of that, and what it raises has to get out: only the whole can run again.
    """

    def once() -> Result:
        with transaction.atomic():
            return work(*args, **kwargs)

    return rerun(once)


def rerun(once: Callable[[], Result]) -> Result:
    """Call what makes and ends a transaction, again while that one loses."""
    if connection.in_atomic_block:
        return once()
    attempt = 0
    while True:
        try:
            return once()
        except DatabaseError as error:
            retries = load(database.Settings).database_retries
            seconds = conflicts.pause(database.conflict(error), attempt, retries=retries)
            if seconds is None:
                raise
        time.sleep(seconds)
        attempt += 1
