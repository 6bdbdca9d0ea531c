"""Sessions that read from the replica until they write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import GenerativeSelect

from app.chassis import dialect, replica
from app.chassis.database import Away, Settings, opened
from app.chassis.exchange import Exchange, current
from app.chassis.settings import load

POSITIONED = frozenset({"postgresql"})
# NULL where nobody replays: a database that is no standby has no position, and the clock has to do.
REACHED = text("SELECT pg_last_wal_replay_lsn() >= CAST(CAST(:position AS text) AS pg_lsn)")
POSITION = text("SELECT CAST(pg_current_wal_lsn() AS text)")


class Reader(Session):
    """Its SELECTs go to the replica; with the first statement that is none it moves to the primary, and stays."""

    def __init__(self, *, replica: Connection, **options: Any) -> None:
        super().__init__(**options)
        self.replica = replica
        self.reads = True

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **options: Any) -> Engine | Connection:
        # A flush asks without a clause.
        self.reads = self.reads and is_read(clause)
        return self.replica if self.reads else super().get_bind(mapper, clause=clause, **options)


def is_read(clause: Any) -> bool:
    if isinstance(clause, TextClause):
        return clause.text.lstrip()[:6].upper() == "SELECT" and " FOR " not in clause.text.upper()
    return isinstance(clause, GenerativeSelect) and clause._for_update_arg is None  # noqa: SLF001 - nothing else tells


def watch(primary: Engine, replica_engine: Engine) -> None:
    """Note who writes, and when the replica breaks in the middle of a conversation."""
    event.listen(primary, "before_cursor_execute", lambda *said: replica.note(said[2]))
    event.listen(replica_engine, "handle_error", _failed)


def _failed(context: Any) -> None:
    if context.is_disconnect or dialect.is_unavailable(context.original_exception):
        replica.failed(context.original_exception)


@asynccontextmanager
async def session() -> AsyncIterator[AsyncSession | None]:
    """One that reads from the replica; None for a request that shall not, or cannot."""
    connection = await connected(opened().replica, current.get())
    if connection is None:
        yield None
        return
    try:
        async with AsyncSession(
            opened().engine,
            sync_session_class=Reader,
            expire_on_commit=False,
            replica=connection.sync_connection,
        ) as one:
            yield one
    finally:
        await connection.close()


async def connected(engine: AsyncEngine | None, exchange: Exchange | None) -> AsyncConnection | None:
    """A connection to the replica, if the request may use it and the replica has what the caller wrote."""
    settings = load(Settings)
    lag = settings.database_replica_lag
    if engine is None or exchange is None or not replica.wanted(exchange, reads=settings.database_replica_reads):
        return None
    mark = replica.mark(exchange)
    position = replica.asked(mark)
    if position is None and replica.fresh(mark, lag=lag):
        replica.count("recent_write")
        return None
    if not replica.worth_trying():
        replica.count("away")
        return None
    connection = engine.connect()
    try:
        await connection.start()
        reached = position is None or await has_reached(connection, position)
        replica.answered()
    except Away as error:
        replica.failed(error)
        replica.count("away")
        await connection.close()
        return None
    if reached or (reached is None and not replica.fresh(mark, lag=lag)):
        replica.count("replica")
        return connection
    replica.count("recent_write")
    await connection.close()
    return None


async def has_reached(connection: AsyncConnection, position: str) -> bool | None:
    """None where it cannot be told."""
    if dialect.SYSTEM not in POSITIONED:
        return None
    reached: bool | None = None
    # A copy of another kind knows no such function.
    with suppress(DBAPIError):
        reached = await connection.scalar(REACHED, {"position": position})
    # The snapshot of this statement is not that of the reads.
    await connection.rollback()
    return reached


async def told(one: AsyncSession) -> None:
    """After the commit: let the caller know where to read what it has written."""
    exchange = current.get()
    # A session that only reads has told nobody's write: what wrote beside it has done so itself.
    if exchange is None or not exchange.wrote or getattr(one.sync_session, "reads", False):
        return
    position = None
    if dialect.SYSTEM in POSITIONED:
        # What is committed has succeeded, whatever comes now.
        with suppress(Away, DBAPIError):
            position = await one.scalar(POSITION)
            await one.rollback()
    settings = load(Settings)
    replica.written(
        exchange, position=position, lag=settings.database_replica_lag, secure=settings.environment == "production"
    )
