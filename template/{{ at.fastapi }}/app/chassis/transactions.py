"""Work in a transaction of its own, run again when the database takes it back in favour of another one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import conflicts, database
from app.chassis.settings import load

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Session(AsyncSession):
    """One whose transaction ends with the work."""

    async def commit(self) -> None:
        # What is committed cannot be run again.
        raise RuntimeError("in_transaction commits when the work is done: the work itself does not")


async def in_transaction(
    work: Callable[Concatenate[AsyncSession, Given], Awaitable[Result]], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """What `work(session, ...)` returns, committed.

    A transaction that lost against another one (a serialisation failure, a deadlock) is run again from its beginning,
    up to DATABASE_RETRIES times and within the request's time: what the work does elsewhere it may do more than once.
    Inside another transaction it is part of that, and what it raises has to get out: only the whole can run again.
    """
    outer = database.outer()
    if outer is not None:
        return await work(outer, *args, **kwargs)

    async def once() -> Result:
        async with Session(database.opened().engine, expire_on_commit=False) as session:
            async with session.begin():
                with database.inside(session):
                    result = await work(session, *args, **kwargs)
            await database.told(session)
            return result

    return await rerun(once)


async def rerun(once: Callable[[], Awaitable[Result]]) -> Result:
    """Call what makes and ends a transaction, again while that one loses."""
    attempt = 0
    while True:
        try:
            return await once()
        except database.Lost as lost:
            retries = load(database.Settings).database_retries
            seconds = conflicts.pause(lost.reason, attempt, retries=retries)
            if seconds is None:
                raise
        await asyncio.sleep(seconds)
        attempt += 1
