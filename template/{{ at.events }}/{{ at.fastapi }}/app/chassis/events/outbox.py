"""Publishing: a row in the caller's transaction, and nothing else until that is committed."""

from datetime import UTC, datetime

from pydantic import BaseModel
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.events.models import OUTBOX
from app.chassis.events.publishing import composed


async def publish(session: AsyncSession, event: BaseModel, *, key: str) -> str:
    """The id of the event, which is told to others once the session is committed; those of one `key` in their order.

    Raises TypeError for what is no event, ValueError for one that is too large.
    """
    row = composed(event, key=key, now=datetime.now(UTC))
    # What the event tells of comes before it, should both wait to be written.
    await session.flush()
    await session.execute(insert(OUTBOX).values(row))
    return str(row["message_id"])
