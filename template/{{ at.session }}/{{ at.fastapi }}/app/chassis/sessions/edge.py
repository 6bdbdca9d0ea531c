"""The sessions in the database, as requests meet them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from sqlalchemy import update

from app.chassis import database
from app.chassis.accounts.store import Store
from app.chassis.errors import Unavailable
from app.chassis.sessions import Session, digest, headers
from app.chassis.sessions.models import SESSIONS
from app.chassis.sessions.store import query, session_of


async def find(
    token: str, judge: Callable[[Session | None], datetime | None], give_up: Callable[[Unavailable], None]
) -> None:
    """Let `judge` see what is stored; it says until when the session lasts, if that is to be written down."""
    sessions = database.opened().sessions
    try:
        async with sessions() as session:
            row = (await session.execute(query(token))).first()
    except Unavailable as error:
        give_up(error)
        return
    ends = judge(None if row is None else session_of(row))
    if ends is not None:
        # Nobody is turned away because that could not be written.
        with suppress(Unavailable):
            async with sessions.begin() as session:
                used = update(SESSIONS).where(SESSIONS.c.digest == digest(token)).values(expires_at=ends)
                await session.execute(used)


async def give(subject: str, scopes: frozenset[str]) -> Mapping[str, str]:
    """For tests: the headers that make a request somebody's."""
    from app.chassis.sessions.flows import given  # noqa: PLC0415 - hashing, which requests do not need

    async with database.opened().sessions.begin() as session:
        token = await session.run_sync(lambda sync: given(Store(sync), subject, scopes))
    return headers(token)
