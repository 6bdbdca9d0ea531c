"""What can be asked of the timeline."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.timeline.models import Entry


async def of_order(session: AsyncSession, order_id: UUID) -> list[str]:
    """What has happened to it, oldest first."""
    return list(await session.scalars(select(Entry.what).where(Entry.order_id == order_id).order_by(Entry.id)))
