"""The keys in the database, as the command meets them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database, logging
from app.chassis.api_keys import Stored
from app.chassis.api_keys.models import KEYS
from app.chassis.errors import Unavailable
from app.chassis.settings import SettingsError

Result = TypeVar("Result")


def run(work: Callable[[], None]) -> None:
    try:
        logging.configure()
        work()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except Unavailable as error:
        sys.exit(f"{error}")
    except DBAPIError as error:
        sys.exit(f"{error.orig}\nIf the table is missing: run `make migrate`.")


def every() -> list[Stored]:
    """The oldest first."""

    async def read(session: AsyncSession) -> list[Stored]:
        rows = await session.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id))
        return [Stored(**row) for row in rows.mappings()]

    return asyncio.run(_with_session(read))


def add(stored: Stored) -> None:
    async def write(session: AsyncSession) -> None:
        await session.execute(insert(KEYS).values(asdict(stored)))

    asyncio.run(_with_session(write))


def change(stored: Stored) -> None:
    """When it ends."""

    async def write(session: AsyncSession) -> None:
        ends = {"expires_at": stored.expires_at, "revoked_at": stored.revoked_at}
        await session.execute(update(KEYS).where(KEYS.c.id == stored.id).values(ends))

    asyncio.run(_with_session(write))


async def _with_session(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    async with database.resources(), database.opened().sessions.begin() as session:
        return await work(session)
