"""A job's function and the mark that it is done, in one transaction."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import rows, store
from app.chassis.jobs.rows import Attempt
from app.chassis.transactions import in_transaction


async def once(one: Attempt, function: Callable[..., Awaitable[object]], arguments: Mapping[str, Any]) -> None:
    """What it does elsewhere than in this database it may do more than once. Raises Withdrawn."""
    rows.current.set(one)

    async def both(session: AsyncSession) -> None:
        result = await function(session, **arguments)
        await store.finish(session, one, rows.encoded(result), datetime.now(UTC))

    await in_transaction(both)
