"""A job's function and the mark that it is done, in one transaction."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from app.chassis.jobs import rows, store, threads
from app.chassis.jobs.rows import Attempt, Withdrawn
from app.chassis.transactions import in_transaction


async def once(one: Attempt, function: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    """What it does elsewhere than in this database it may do more than once. Raises Withdrawn."""

    def both() -> None:
        result = function(**arguments)
        if one.withdrawn:
            # SQLite's one writer is this thread: nobody could say so in the table.
            raise Withdrawn
        store.finish(one, rows.encoded(result), datetime.now(UTC))

    def run() -> None:
        token = rows.current.set(one)
        try:
            with deferred():
                in_transaction(both)
        finally:
            rows.current.reset(token)

    await threads.call(run)


@contextmanager
def deferred() -> Iterator[None]:
    """SQLite has one writer: a job that has not written yet keeps no other from it, as a request would."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    sqlite: Any = connection
    before, sqlite.transaction_mode = sqlite.transaction_mode, None
    try:
        yield
    finally:
        sqlite.transaction_mode = before
