"""What can be done with orders, each in a transaction of its own; nobody meets the orders of another owner."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from uuid_utils.compat import uuid7

from app.chassis.errors import NotFound
from app.chassis.keyset import paginate
from app.chassis.pagination import Page
from app.chassis.transactions import in_transaction
from app.features.orders import rules
from app.features.orders.models import Order, OrderLine
from app.features.orders.rules import Status
from app.features.orders.schemas import NEWEST, NewLine

log = structlog.get_logger()


@transaction.atomic
def place_order(*, owner: str, currency: str, lines: Sequence[NewLine], now: datetime) -> Order:
    order = Order.objects.create(
        id=uuid7(),
        owner=owner,
        status=Status.PLACED,
        currency=currency,
        total=rules.total(lines),
        created_at=now,
    )
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=position, **line.model_dump()) for position, line in enumerate(lines)
    )
    # Read here, where a failure takes the order back: nobody could be told of one while the reply is put into words.
    prefetch_related_objects([order], "order_lines")
    log.info("order.placed", order_id=str(order.id), total=order.total)
    return order


def get_order(*, owner: str, order_id: UUID) -> Order:
    return _one(_of(owner), order_id)


def list_orders(*, owner: str, limit: int, after: str | None, status: Status | None) -> Page[Order]:
    """Newest first: the order that comes after the cursor is found by its key, however long the list is."""
    query = _of(owner) if status is None else _of(owner).filter(status=status)
    return paginate(query, NEWEST, limit=limit, after=after)


def cancel_order(*, owner: str, order_id: UUID) -> Order:
    """Two cancellations at once: the second waits for the first and finds it done. Raises Conflict."""
    return in_transaction(_cancel, owner, order_id)


def _cancel(owner: str, order_id: UUID) -> Order:
    order = _one(_of(owner).select_for_update(), order_id)
    order.status = rules.cancelled(Status(order.status))
    order.save(update_fields=["status"])
    log.info("order.cancelled", order_id=str(order.id))
    return order


def _of(owner: str) -> QuerySet[Order]:
    """Every query begins here; two statements for any number of orders."""
    return Order.objects.filter(owner=owner).prefetch_related("order_lines")


def _one(query: QuerySet[Order], order_id: UUID) -> Order:
    order = query.filter(id=order_id).first()
    if order is None:
        raise NotFound("order", order_id)
    return order
