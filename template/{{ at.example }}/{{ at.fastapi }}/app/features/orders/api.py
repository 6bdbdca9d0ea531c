"""Orders over HTTP."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.auth import principal
from app.chassis.database import session
from app.chassis.openapi import problems
from app.chassis.pagination import Limit, Page, next_link
from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from app.features.orders import models, schemas, service
from app.features.orders.rules import Status

PATH = "/v1/orders"
router = APIRouter(prefix=PATH, tags=["orders"])

Session = Annotated[AsyncSession, Depends(session, scope="function")]
LOCATION = {"Location": {"description": "Where the order is.", "schema": {"type": "string"}}}
LINK = {"Link": {"description": 'The next page, as `rel="next"`.', "schema": {"type": "string"}}}


@router.post("", status_code=201, response_model=schemas.Order, responses={201: {"headers": LOCATION}})
@declare(scope="orders:write", idempotent=True)
async def place_order(database: Session, order: schemas.NewOrder, response: Response) -> models.Order:
    placed = await service.place_order(
        database, owner=principal().subject, currency=order.currency, lines=order.lines, now=datetime.now(UTC)
    )
    response.headers["Location"] = f"{PATH}/{placed.id}"
    return placed


@router.get("", response_model=schemas.Page, responses={200: {"headers": LINK}})
@declare(scope="orders:read")
async def list_orders(
    database: Session,
    response: Response,
    limit: Annotated[Limit, Query()] = 20,
    cursor: Annotated[schemas.Cursor | None, Query()] = None,
    status: Status | None = None,
) -> Page[models.Order]:
    page = await service.list_orders(database, owner=principal().subject, limit=limit, after=cursor, status=status)
    if page.next_cursor:
        response.headers["Link"] = next_link(PATH, limit=limit, cursor=page.next_cursor, status=status)
    return page


@router.get("/{order_id}", response_model=schemas.Order, responses=problems(404))
@declare(scope="orders:read")
async def get_order(database: Session, order_id: UUID) -> models.Order:
    return await service.get_order(database, owner=principal().subject, order_id=order_id)


@router.post("/{order_id}/cancellation", response_model=schemas.Order, responses=problems(404, 409))
@declare(scope="orders:write")
async def cancel_order(order_id: UUID) -> models.Order:
    return await in_transaction(service.cancel_order, owner=principal().subject, order_id=order_id)
