"""What the timeline hears of orders: each event is one entry, however often it is delivered."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.events.registry import handles
from app.features.orders.events import OrderCancelled, OrderPlaced
from app.features.timeline.models import Entry


@handles(OrderPlaced)
async def note_placed(session: AsyncSession, event: OrderPlaced) -> None:
    session.add(Entry(order_id=event.order_id, what="placed", happened_at=event.placed_at))


@handles(OrderCancelled)
async def note_cancelled(session: AsyncSession, event: OrderCancelled) -> None:
    session.add(Entry(order_id=event.order_id, what="cancelled", happened_at=event.cancelled_at))
