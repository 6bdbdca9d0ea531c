"""What is made of orders for those who placed them: a receipt of each, and an export of all."""

import csv
from dataclasses import dataclass
from io import StringIO
from typing import Final
from uuid import UUID

import structlog

from app.chassis.errors import NotFound
from app.chassis.jobs.queue import progress
from app.features.orders.models import Order

PAGE: Final = 500
COLUMNS: Final = ("id", "status", "currency", "total", "created_at")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Export:
    orders: int
    csv: str


def send_receipt(*, owner: str, order_id: UUID) -> None:
    """Here your mail goes: whoever takes it has to take the order's id as the key that makes two of them one."""
    order = Order.objects.filter(owner=owner, id=order_id).first()
    if order is None:
        raise NotFound("order", order_id)
    log.info("order.receipt_sent", order_id=str(order_id), total=order.total, currency=order.currency)


def export(*, owner: str) -> Export:
    """All orders of this owner, the oldest first."""
    every = Order.objects.filter(owner=owner).order_by("id")
    total = every.count()
    text, done = StringIO(), 0
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    found = list(every[:PAGE])
    while found:
        writer.writerows((one.id, one.status, one.currency, one.total, one.created_at.isoformat()) for one in found)
        done += len(found)
        progress(done, total)
        found = list(every.filter(id__gt=found[-1].id)[:PAGE])
    return Export(orders=done, csv=text.getvalue())
