"""Lets the features' `seed` functions make their rows."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database, logging
from app.chassis.errors import Unavailable
from app.chassis.settings import SettingsError
from app.chassis.transactions import in_transaction

Seed = Callable[..., Awaitable[int]]


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
        sys.exit(f"{error.orig}\nIf a table is missing: run `make migrate`.")


def plant(seeds: Mapping[str, Seed], *, count: int, owner: str) -> dict[str, int]:
    """How many rows each made: `await seed(session, count=20, owner="ada")`, all in one transaction."""

    async def everything(session: AsyncSession) -> dict[str, int]:
        return {name: await seed(session, count=count, owner=owner) for name, seed in seeds.items()}

    async def with_database() -> dict[str, int]:
        async with database.resources():
            return await in_transaction(everything)

    return asyncio.run(with_database())
