"""What is made of orders for those who placed them: a receipt of each, and an export of all."""

import csv
from dataclasses import dataclass
from io import StringIO
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

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


async def send_receipt(session: AsyncSession, *, owner: str, order_id: UUID) -> None:
    """Here your mail goes: whoever takes it has to take the order's id as the key that makes two of them one."""
    query = select(Order.total, Order.currency).where(Order.owner == owner, Order.id == order_id)
    order = (await session.execute(query)).first()
    if order is None:
        raise NotFound("order", order_id)
    log.info("order.receipt_sent", order_id=str(order_id), total=order.total, currency=order.currency)


async def export(session: AsyncSession, *, owner: str) -> Export:
    """All orders of this owner, the oldest first."""
    total = await session.scalar(select(func.count()).select_from(Order).where(Order.owner == owner)) or 0
    text, done = StringIO(), 0
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    page = select(Order.id, Order.status, Order.currency, Order.total, Order.created_at)
    page = page.where(Order.owner == owner).order_by(Order.id).limit(PAGE)
    found = (await session.execute(page)).all()
    while found:
        writer.writerows(
            (id_, status.value, currency, price, at.isoformat()) for id_, status, currency, price, at in found
        )
        done += len(found)
        await progress(done, total)
        found = (await session.execute(page.where(Order.id > found[-1].id))).all()
    return Export(orders=done, csv=text.getvalue())
