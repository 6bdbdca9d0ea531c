"""Work that others get in the way of: so many of its attempts are `lost`."""

import asyncio
import itertools
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis.rivals import IMPATIENT, LEVEL, PATIENT, REFUSE, REFUSES, TABLE, WAITED_FOR, WEIGHT

router = APIRouter(prefix="/rows")
Session = Annotated[AsyncSession, Depends(database.session, scope="function")]
attempts: Counter[str] = Counter()


@router.put("")
async def make_table(session: Session) -> bool:
    await session.execute(text(TABLE))
    return bool(await session.scalar(text(REFUSES)))


@router.put("/{name}", status_code=204)
async def make_rows(session: Session, name: str) -> None:
    for side in (0, 1):
        await insert(session, name, side)


@router.get("/{name}")
async def rows(session: Session, name: str) -> dict[str, Any]:
    found = await session.execute(
        text("SELECT number FROM chassis_probe_rows WHERE name = :name AND side < 2 ORDER BY side"), {"name": name}
    )
    return {"numbers": list(found.scalars()), "attempts": attempts[name]}


@router.post("/{name}/stale")
async def stale(name: str, lost: int) -> int:
    return await in_transaction(add_one, name=name, lost=lost)


@router.post("/{name}/nested")
async def nested(name: str, lost: int) -> int:
    """How often the outer one was begun."""
    begun = itertools.count(1)

    async def work(session: AsyncSession) -> int:
        number = next(begun)
        await in_transaction(add_one, name=name, lost=lost)
        await add(session, name, 1)
        return number

    return await in_transaction(work)


@router.post("/{name}/within")
async def within(session: Session, name: str, lost: int) -> int:
    """Its own transaction has begun before."""
    await isolate(session)
    await read(session, name)
    return await in_transaction(add_one, name=name, lost=lost, isolated=True)


@router.post("/{name}/before")
async def before(session: Session, name: str, lost: int) -> int:
    """Its own transaction begins later."""
    await in_transaction(add_one, name=name, lost=lost)
    return await read(session, name)


@router.post("/{name}/apart")
async def apart(session: Session, name: str, lost: int) -> int:
    """A task of its own, beside a transaction that has begun."""
    await read(session, name)
    return await asyncio.create_task(in_transaction(add_one, name=name, lost=lost))


@router.post("/{name}/skew")
async def skew(name: str, lost: int) -> int:
    return await in_transaction(add_both, name=name, lost=lost)


@router.post("/{name}/deadlock")
async def deadlock(name: str, lost: int) -> int:
    return await in_transaction(cross, name=name, lost=lost)


@router.post("/{name}/keyed")
@declare(idempotent=True)
async def keyed(response: Response, name: str, lost: int = 0, status: int = 200) -> int:
    response.status_code = status
    return await in_transaction(cross, name=name, lost=lost)


@router.post("/{name}/held")
async def held(name: str) -> None:
    async with database.opened().sessions() as rival:
        await add(rival, name, 0)
        await in_transaction(take, name=name)


@router.post("/{name}/twice")
async def twice(name: str) -> None:
    await in_transaction(insert_again, name=name)


@router.post("/{name}/commits")
async def commits(name: str) -> None:
    await in_transaction(commit, name=name)


# -- work --------------------------------------------------------------------------------------------------------------


async def add_one(session: AsyncSession, *, name: str, lost: int, isolated: bool = False) -> int:
    """What somebody has read is written by another before he comes to it."""
    attempts[name] += 1
    if not isolated:
        await isolate(session)
    number = await read(session, name)
    if attempts[name] <= lost:
        async with database.opened().sessions.begin() as rival:
            await add(rival, name, 0)
    await add(session, name, 0)
    return number + 1


async def add_both(session: AsyncSession, *, name: str, lost: int) -> int:
    """Each reads what the other writes: found out when the second one commits."""
    attempts[name] += 1
    await isolate(session)
    number = await read(session, name)
    await add(session, name, 0)
    if attempts[name] <= lost:
        async with database.opened().sessions.begin() as rival:
            await isolate(rival)
            await read(rival, name)
            await add(rival, name, 1)
    return number + 1


async def cross(session: AsyncSession, *, name: str, lost: int) -> int:
    """Each has what the other wants."""
    attempts[name] += 1
    await session.execute(text(IMPATIENT))
    await add(session, name, 0)
    if attempts[name] > lost:
        await add(session, name, 1)
        return attempts[name]
    taken = asyncio.Event()
    rival = asyncio.create_task(cross_back(name, taken))
    try:
        await taken.wait()
        while not await session.scalar(text(WAITED_FOR)):  # noqa: ASYNC110 - it is the server that knows
            await asyncio.sleep(0.005)
        await add(session, name, 1)
    finally:
        await rival
    return attempts[name]


async def cross_back(name: str, taken: asyncio.Event) -> None:
    async with database.opened().sessions.begin() as session:
        await session.execute(text(PATIENT))
        for side in WEIGHT:
            await insert(session, name, side * 100 + attempts[name])
        await add(session, name, 1)
        taken.set()
        await add(session, name, 0)


async def take(session: AsyncSession, *, name: str) -> None:
    attempts[name] += 1
    await session.execute(text("SELECT * FROM chassis_probe_rows WHERE name = :name FOR UPDATE NOWAIT"), {"name": name})


async def insert_again(session: AsyncSession, *, name: str) -> None:
    attempts[name] += 1
    await insert(session, name, 0)


async def commit(session: AsyncSession, *, name: str) -> None:
    attempts[name] += 1
    await add(session, name, 0)
    await session.commit()


# -- statements --------------------------------------------------------------------------------------------------------


async def isolate(session: AsyncSession) -> None:
    if LEVEL:
        await session.connection(execution_options={"isolation_level": LEVEL})
    if REFUSE:
        await session.execute(text(REFUSE))


async def read(session: AsyncSession, name: str) -> int:
    total = text("SELECT SUM(number) FROM chassis_probe_rows WHERE name = :name")
    return int(await session.scalar(total, {"name": name}) or 0)


async def add(session: AsyncSession, name: str, side: int) -> None:
    update = text("UPDATE chassis_probe_rows SET number = number + 1 WHERE name = :name AND side = :side")
    await session.execute(update, {"name": name, "side": side})


async def insert(session: AsyncSession, name: str, side: int) -> None:
    new = text("INSERT INTO chassis_probe_rows (name, side, number) VALUES (:name, :side, 0)")
    await session.execute(new, {"name": name, "side": side})
