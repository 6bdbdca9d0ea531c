"""The tables of events, as the relay and the consumer use them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import TextClause, bindparam, delete, exists, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.chassis import database, transactions
from app.chassis.events import claims, figures, rows
from app.chassis.events.company import Member
from app.chassis.events.models import ATTEMPTS, DEAD_LETTERS, INBOX, OUTBOX, PARTITIONS
from app.chassis.events.rows import Claim, DeadLetter, Sample, Waiting

ASYNCHRONOUS: Final = True
EXPIRED_AT_ONCE: Final = 1000
Call = Callable[[AsyncSession, Any], Awaitable[Any]]

_after = -1


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """For a command: the database."""
    async with database.resources():
        yield


def is_transient(error: BaseException) -> bool:
    """Whether the database is away, and nobody's fault is counted."""
    return isinstance(error, database.Away)


# -- the outbox --------------------------------------------------------------------------------------------------------


async def prepare() -> None:
    """The rows to lock."""
    async with database.opened().engine.begin() as connection:
        there = set((await connection.execute(select(PARTITIONS.c.id))).scalars())
        for number in set(range(rows.PARTITIONS)) - there:
            await _insert_new(connection, "chassis_outbox_partitions", id=number)


@asynccontextmanager
async def claimed(most: int) -> AsyncIterator[Claim]:
    """Events that no other relay has; those that are done leave the outbox when this ends."""
    with claims.alone() as alone:
        if not alone:
            yield Claim([])
            return
        async with database.opened().engine.connect() as connection:
            claim = await _take(connection, most)
            if not claims.LOCKS:
                await connection.rollback()
            yield claim
            await _settle(connection, claim)
            await connection.commit()


async def _take(connection: AsyncConnection, most: int) -> Claim:
    global _after
    waits = exists().where(OUTBOX.c.partition_id == PARTITIONS.c.id)
    # Each in its turn, whoever is busy.
    turn = (PARTITIONS.c.id <= _after, PARTITIONS.c.id)
    query = select(PARTITIONS.c.id).where(waits).order_by(*turn).limit(rows.TAKEN)
    if claims.LOCKS:
        query = query.with_for_update(skip_locked=True)
    partitions = (await connection.execute(query)).scalars().all()
    if not partitions:
        return Claim([])
    _after = partitions[-1]
    columns = (OUTBOX.c.id, OUTBOX.c.message_id, OUTBOX.c.type, OUTBOX.c.key, OUTBOX.c.body)
    oldest = select(*columns).where(OUTBOX.c.partition_id.in_(partitions)).order_by(OUTBOX.c.id).limit(most)
    found = [Waiting(*row) for row in await connection.execute(oldest)]
    return Claim(found, more=len(partitions) == rows.TAKEN or len(found) == most)


async def _settle(connection: AsyncConnection, claim: Claim) -> None:
    gone = [*claim.done, *(row.id for row, _ in claim.refused)]
    for row, error in claim.refused:
        await _bury(connection, rows.refused(row, error))
    if gone:
        await connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(gone)))


async def sample() -> Sample:
    some = select(OUTBOX.c.id).limit(rows.MOST_COUNTED).subquery()
    first = select(OUTBOX.c.created_at).order_by(OUTBOX.c.id).limit(1).scalar_subquery()
    async with database.opened().engine.connect() as connection:
        row = (await connection.execute(select(func.count(), first).select_from(some))).one()
    return Sample(*row)


async def check() -> None:
    """Raises Degraded when events wait for too long; a database that is away is for `database` to say."""
    try:
        figures.sampled(await sample())
    except Exception:  # noqa: BLE001 - as above
        return
    figures.complain()


# -- the inbox ---------------------------------------------------------------------------------------------------------


async def handle(ident: str, call: Call, payload: BaseModel, *, tried: bool = False, letter: int = 0) -> bool:
    """Whether the handler had its effect now; False when it had it before. What it does is one transaction."""

    async def once(session: AsyncSession) -> bool:
        connection = await session.connection()
        fresh = await _insert_new(connection, "chassis_inbox", id=ident, handled_at=datetime.now(UTC))
        if tried:
            await connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.id == ident))
        if letter:
            await connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == letter))
        if fresh:
            await call(session, payload)
            await _check_kept(session, ident)
        return fresh

    return await transactions.in_transaction(once)


async def _check_kept(session: AsyncSession, ident: str) -> None:
    """Raises when a commit would keep nothing: a handler may catch the error that has taken its transaction back."""
    if await session.scalar(select(INBOX.c.id).where(INBOX.c.id == ident)) is None:
        raise RuntimeError("the handler went on after its transaction was taken back")


class Known(Exception):
    """Some of them had their effects before."""


async def handle_all(members: Sequence[Member]) -> bool:
    """Whether each had its effect now, all in one transaction; False when some had it before, and nothing is done."""

    async def once(session: AsyncSession) -> None:
        # In one order everywhere: two that wait for each other's rows would wait for good.
        idents, now = sorted(one.ident for one in members), datetime.now(UTC)
        inbox = [{"id": ident, "handled_at": now} for ident in idents]
        if await _insert_all(await session.connection(), "chassis_inbox", inbox) < len(members):
            raise Known
        for one in members:
            with one.unit():
                await one.handler.call(session, one.payload)
                if session.new or session.identity_map:
                    # The next one finds what is in the database, as in a session of its own.
                    await session.flush()
                    session.expunge_all()
        await _check_kept(session, members[0].ident)

    try:
        await transactions.in_transaction(once)
    except Known:
        return False
    return True


async def attempt(ident: str) -> int:
    """Which attempt the next one is: the first was counted by nobody."""
    mine = ATTEMPTS.c.id == ident
    async with database.opened().engine.begin() as connection:
        tries = None
        # Another process that has it, too, may be about to forget its row.
        while tries is None:
            await _insert_new(connection, "chassis_inbox_attempts", id=ident, tries=1, counted_at=datetime.now(UTC))
            await connection.execute(update(ATTEMPTS).where(mine).values(tries=ATTEMPTS.c.tries + 1))
            tries = (await connection.execute(select(ATTEMPTS.c.tries).where(mine))).scalar_one_or_none()
        return int(tries)


async def expire(before: datetime) -> None:
    """Forget what was handled before, so few at a time that nobody waits for their locks."""
    for table, moment in ((INBOX, INBOX.c.handled_at), (ATTEMPTS, ATTEMPTS.c.counted_at)):
        while True:
            async with database.opened().engine.connect() as connection:
                query = select(table.c.id).where(moment < before).limit(EXPIRED_AT_ONCE)
                ids = (await connection.execute(query)).scalars().all()
                # A transaction that has read cannot write in SQLite once another one has.
                await connection.commit()
                if not ids:
                    break
                await connection.execute(delete(table).where(table.c.id.in_(ids)))
                await connection.commit()


# -- dead letters ------------------------------------------------------------------------------------------------------


async def bury(letter: DeadLetter) -> None:
    async with database.opened().engine.begin() as connection:
        await connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.id == letter.message))
        handled = select(INBOX.c.id).where(INBOX.c.id == letter.message)
        if (await connection.execute(handled)).first() is None:
            await _bury(connection, letter)


async def _bury(connection: AsyncConnection, letter: DeadLetter) -> None:
    """Once, however often it fails."""
    await _insert_new(connection, "chassis_dead_letters", **letter.columns())


async def letters() -> list[DeadLetter]:
    async with database.opened().engine.connect() as connection:
        query = select(*(DEAD_LETTERS.c[name] for name in DeadLetter.__slots__)).order_by(DEAD_LETTERS.c.id)
        return [DeadLetter(*row) for row in await connection.execute(query)]


async def drop(number: int) -> None:
    async with database.opened().engine.begin() as connection:
        await connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == number))


async def put_back(row: dict[str, Any], number: int) -> None:
    """What the broker refused waits in the outbox again."""
    async with database.opened().engine.begin() as connection:
        await connection.execute(insert(OUTBOX).values(row))
        await connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == number))


# -- both --------------------------------------------------------------------------------------------------------------


async def _insert_new(connection: AsyncConnection, table: str, **values: Any) -> bool:
    """Whether it was not there."""
    return bool(await _insert_all(connection, table, [values]))


async def _insert_all(connection: AsyncConnection, table: str, many: Sequence[dict[str, Any]]) -> int:
    """How many were not there."""
    values = {f"{name}_{number}": value for number, row in enumerate(many) for name, value in row.items()}
    return (await connection.execute(_insertion(table, len(many), *many[0]), values)).rowcount


@cache
def _insertion(table: str, count: int, *names: str) -> TextClause:
    slots = ", ".join("(" + ", ".join(f":{name}_{number}" for name in names) + ")" for number in range(count))
    statement = text(f"{claims.INSERT} {table} ({', '.join(names)}) VALUES {slots} {claims.UNLESS_THERE}")
    columns = PARTITIONS.metadata.tables[table].c
    types = {f"{name}_{number}": columns[name].type for name in names for number in range(count)}
    return statement.bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))


async def settle() -> None:
    """For tests: relay and handle what waits, and what comes of that, until nothing does."""
    from app.chassis.events.settling import settled  # noqa: PLC0415 - for tests alone

    await prepare()
    while True:
        async with claimed(rows.PARTITIONS) as claim:
            for row in claim.rows:
                for ident, call, payload in settled(row):
                    await handle(ident, call, payload)
                claim.done.append(row.id)
        if not claim.rows:
            return
