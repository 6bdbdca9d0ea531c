"""What `make seed` makes of orders."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders import rules
from app.features.orders.models import Order, OrderLine
from app.features.orders.samples import samples


async def seed(session: AsyncSession, *, count: int, owner: str) -> int:
    """How many there were not yet."""
    there = set(await session.scalars(select(Order.id).where(Order.owner == owner)))
    missing = [one for one in samples(count=count, owner=owner) if one.id not in there]
    session.add_all(
        Order(
            id=one.id,
            owner=owner,
            status=one.status,
            currency=one.currency,
            total=rules.total(one.lines),
            created_at=one.created_at,
            lines=[OrderLine(position=position, **line.model_dump()) for position, line in enumerate(one.lines)],
        )
        for one in missing
    )
    await session.flush()
    return len(missing)
