"""`python -m app.chassis.idempotency.expire`: delete the answers that are too old to be repeated."""

import asyncio
import sys
from datetime import UTC, datetime

import structlog
from sqlalchemy import delete, select

from app.chassis import database, idempotency, logging
from app.chassis.errors import Unavailable
from app.chassis.idempotency.models import KEYS
from app.chassis.settings import SettingsError

# So few that nobody waits for their locks.
BATCH = 1000
log = structlog.get_logger()


def main() -> None:
    try:
        logging.configure()
        log.info("idempotency.expired", keys=asyncio.run(expire(now=datetime.now(UTC))))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except Unavailable as error:
        sys.exit(f"{error}")


async def expire(*, now: datetime) -> int:
    """How many were deleted."""
    oldest, deleted = idempotency.oldest(now), 0
    async with database.resources():
        while some := await expire_some(oldest):
            deleted += some
    return deleted


async def expire_some(oldest: datetime) -> int:
    """A key that is used again meanwhile has a new time, and stays."""
    is_old = KEYS.c.created_at <= oldest
    async with database.opened().sessions() as session:
        ids = (await session.scalars(select(KEYS.c.id).where(is_old).limit(BATCH))).all()
        # A transaction that has read cannot write in SQLite once another one has.
        await session.commit()
        if ids:
            await session.execute(delete(KEYS).where(KEYS.c.id.in_(ids), is_old))
            await session.commit()
    return len(ids)


if __name__ == "__main__":
    main()
