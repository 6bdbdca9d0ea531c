"""The keys in the database, as requests meet them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from app.chassis import database
from app.chassis.api_keys import Stored
from app.chassis.api_keys.models import KEYS
from app.chassis.errors import Unavailable


async def find(key_id: str, judge: Callable[[Stored | None], bool], give_up: Callable[[Unavailable], None]) -> None:
    """Let `judge` see what is stored; it says whether to write down that the key is used."""
    sessions = database.opened().sessions
    try:
        async with sessions() as session:
            row = (await session.execute(select(KEYS).where(KEYS.c.id == key_id))).mappings().first()
    except Unavailable as error:
        give_up(error)
        return
    if judge(None if row is None else Stored(**row)):
        # Nobody is turned away because that could not be written.
        with suppress(Unavailable):
            async with sessions.begin() as session:
                used = update(KEYS).where(KEYS.c.id == key_id).values(last_used_at=datetime.now(UTC))
                await session.execute(used)


async def add(stored: Stored, headers: Mapping[str, str]) -> Mapping[str, str]:
    """For tests: the headers, once they are worth something."""
    async with database.opened().sessions.begin() as session:
        await session.execute(insert(KEYS).values(asdict(stored)))
    return headers
