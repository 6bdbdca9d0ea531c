"""What `make seed` makes of orders."""

from app.features.orders import rules
from app.features.orders.models import Order, OrderLine
from app.features.orders.samples import samples


def seed(*, count: int, owner: str) -> int:
    """How many there were not yet."""
    there = set(Order.objects.filter(owner=owner).values_list("id", flat=True))
    missing = [one for one in samples(count=count, owner=owner) if one.id not in there]
    Order.objects.bulk_create(
        Order(
            id=one.id,
            owner=owner,
            status=one.status,
            currency=one.currency,
            total=rules.total(one.lines),
            created_at=one.created_at,
        )
        for one in missing
    )
    OrderLine.objects.bulk_create(
        OrderLine(order_id=one.id, position=position, **line.model_dump())
        for one in missing
        for position, line in enumerate(one.lines)
    )
    return len(missing)
