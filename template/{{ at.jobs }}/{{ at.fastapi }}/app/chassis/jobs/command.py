"""How the command meets the database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError

from app.chassis import database, logging
from app.chassis.errors import Unavailable
from app.chassis.settings import SettingsError


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def opened() -> None:
        async with database.resources():
            await work()

    try:
        logging.configure()
        asyncio.run(opened())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except Unavailable as error:
        sys.exit(f"{error}")
    except DBAPIError as error:
        sys.exit(f"{error.orig}\nIf the table is missing: run `make migrate`.")
