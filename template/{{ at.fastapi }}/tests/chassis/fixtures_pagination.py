"""A table to turn pages in."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Index, String, delete, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.chassis import dialect, engine
from app.chassis.database import Settings
from app.chassis.keyset import paginate
from app.chassis.pagination import Keyset, Page
from app.chassis.settings import load
from app.chassis.tables import Instant

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN"}.get(dialect.SYSTEM, "EXPLAIN")


class Base(DeclarativeBase):
    """Of a table that no migration knows."""


class Row(Base):
    __tablename__ = "chassis_probe_pages"
    __table_args__ = (Index("chassis_probe_pages_moment", "moment", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    moment: Mapped[datetime] = mapped_column(Instant)
    name: Mapped[str | None] = mapped_column(String(10))


class Rows:
    def __init__(self, runner: asyncio.Runner, made: AsyncEngine) -> None:
        self.runner = runner
        self.engine = made
        self.statements: list[tuple[str, Any]] = []
        event.listen(made.sync_engine, "before_cursor_execute", self.note)

    def note(self, _connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        self.statements.append((statement, values))

    async def make(self) -> None:
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)

    async def drop(self) -> None:
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await self.engine.dispose()

    def add(self, *rows: tuple[int, datetime]) -> None:
        async def run() -> None:
            async with AsyncSession(self.engine) as session, session.begin():
                session.add_all(Row(id=number, moment=moment) for number, moment in rows)

        self.runner.run(run())

    def remove(self, *ids: int) -> None:
        async def run() -> None:
            async with AsyncSession(self.engine) as session, session.begin():
                await session.execute(delete(Row).where(Row.id.in_(ids)))

        self.runner.run(run())

    def page(self, keyset: Keyset, *, limit: int, after: str | None = None) -> Page[Row]:
        async def run() -> Page[Row]:
            async with AsyncSession(self.engine) as session:
                return await paginate(session, select(Row), keyset, limit=limit, after=after)

        return self.runner.run(run())

    def plan(self, keyset: Keyset, *, after: str) -> str:
        async def run() -> str:
            statement, values = self.statements[-1]
            async with self.engine.connect() as connection:
                if dialect.SYSTEM == "postgresql":
                    # The table is so small that reading all of it would be quicker.
                    await connection.exec_driver_sql("ANALYZE chassis_probe_pages")
                    await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                found = await connection.exec_driver_sql(f"{EXPLAIN} {statement}", values)
                return "\n".join(" ".join(map(str, row)) for row in found)

        self.page(keyset, limit=2, after=after)
        return self.runner.run(run())


@pytest.fixture
def rows() -> Iterator[Rows]:
    with asyncio.Runner() as runner:
        made = Rows(runner, engine.create(load(Settings)))
        runner.run(made.make())
        try:
            yield made
        finally:
            runner.run(made.drop())
