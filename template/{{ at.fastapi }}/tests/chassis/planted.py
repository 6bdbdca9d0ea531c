"""Seeds of the table that `rows` is."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.chassis.fixtures_pagination import Row


async def seed(session: AsyncSession, *, count: int, owner: str) -> int:
    session.add_all(Row(id=number, moment=datetime(2026, 1, 1, tzinfo=UTC), name=owner) for number in range(count))
    await session.flush()
    return count


async def broken(session: AsyncSession, *, count: int, owner: str) -> int:
    await session.execute(text("SELECT 1"))
    raise ValueError(f"{count} for {owner}")
