"""What the timeline hears of orders: each event is one entry, however often it is delivered."""

from app.chassis.events.registry import handles
from app.features.orders.events import OrderCancelled, OrderPlaced
from app.features.timeline.models import Entry


@handles(OrderPlaced)
def note_placed(event: OrderPlaced) -> None:
    Entry.objects.create(order_id=event.order_id, what="placed", happened_at=event.placed_at)


@handles(OrderCancelled)
def note_cancelled(event: OrderCancelled) -> None:
    Entry.objects.create(order_id=event.order_id, what="cancelled", happened_at=event.cancelled_at)
