"""A job's function and the mark that it is done, in one transaction."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.chassis.jobs import rows, store, threads
from app.chassis.jobs.rows import Attempt
from app.chassis.transactions import in_transaction


async def once(one: Attempt, function: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    """What it does elsewhere than in this database it may do more than once. Raises Withdrawn."""

    def both() -> None:
        result = function(**arguments)
        store.finish(one, rows.encoded(result), datetime.now(UTC))

    def run() -> None:
        token = rows.current.set(one)
        try:
            in_transaction(both)
        finally:
            rows.current.reset(token)

    await threads.call(run)
