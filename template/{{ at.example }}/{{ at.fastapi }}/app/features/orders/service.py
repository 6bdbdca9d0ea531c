"""What can be done with orders, each in the caller's transaction; nobody meets the orders of another owner."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from uuid_utils.compat import uuid7

from app.chassis.errors import NotFound
from app.chassis.keyset import paginate
from app.chassis.pagination import Page
from app.features.orders import rules
from app.features.orders.models import Order, OrderLine
from app.features.orders.rules import Status
from app.features.orders.schemas import NEWEST, NewLine

log = structlog.get_logger()


async def place_order(
    session: AsyncSession, *, owner: str, currency: str, lines: Sequence[NewLine], now: datetime
) -> Order:
    order = Order(
        id=uuid7(),
        owner=owner,
        status=Status.PLACED,
        currency=currency,
        total=rules.total(lines),
        created_at=now,
        lines=[OrderLine(position=position, **line.model_dump()) for position, line in enumerate(lines)],
    )
    session.add(order)
    await session.flush()
    log.info("order.placed", order_id=str(order.id), total=order.total)
    return order


async def get_order(session: AsyncSession, *, owner: str, order_id: UUID) -> Order:
    return await _one(session, _of(owner), order_id)


async def list_orders(
    session: AsyncSession, *, owner: str, limit: int, after: str | None, status: Status | None
) -> Page[Order]:
    """Newest first: the order that comes after the cursor is found by its key, however long the list is."""
    query = _of(owner) if status is None else _of(owner).where(Order.status == status)
    return await paginate(session, query, NEWEST, limit=limit, after=after)


async def cancel_order(session: AsyncSession, *, owner: str, order_id: UUID) -> Order:
    """Two cancellations at once: the second waits for the first and finds it done. Raises Conflict."""
    order = await _one(session, _of(owner).with_for_update(), order_id)
    order.status = rules.cancelled(order.status)
    await session.flush()
    log.info("order.cancelled", order_id=str(order.id))
    return order


def _of(owner: str) -> Select[Order]:
    """Every query begins here; two statements for any number of orders."""
    return select(Order).where(Order.owner == owner).options(selectinload(Order.lines))


async def _one(session: AsyncSession, query: Select[Order], order_id: UUID) -> Order:
    order = await session.scalar(query.where(Order.id == order_id))
    if order is None:
        raise NotFound("order", order_id)
    return order
