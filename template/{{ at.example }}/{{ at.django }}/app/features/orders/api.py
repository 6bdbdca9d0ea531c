"""Orders over HTTP."""

from datetime import UTC, datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from app.chassis.auth import principal
from app.chassis.pagination import Limit, Page, next_link
from app.chassis.routes import declare
from app.features.orders import models, schemas, service
from app.features.orders.rules import Status

PATH = "/v1/orders"
router = Router(tags=["orders"])

LOCATION = {"Location": {"description": "Where the order is.", "schema": {"type": "string"}}}
LINK = {"Link": {"description": 'The next page, as `rel="next"`.', "schema": {"type": "string"}}}


@router.post("", response={201: schemas.Order}, openapi_extra={"responses": {201: {"headers": LOCATION}}})
@declare(scope="orders:write", idempotent=True)
def place_order(request: HttpRequest, order: schemas.NewOrder, response: HttpResponse) -> models.Order:
    placed = service.place_order(
        owner=principal().subject, currency=order.currency, lines=order.lines, now=datetime.now(UTC)
    )
    response["Location"] = f"{PATH}/{placed.id}"
    return placed


@router.get("", response=schemas.Page, openapi_extra={"responses": {200: {"headers": LINK}}})
@declare(scope="orders:read")
def list_orders(
    request: HttpRequest,
    response: HttpResponse,
    limit: Limit = 20,
    cursor: schemas.Cursor | None = None,
    status: Status | None = None,
) -> Page[models.Order]:
    page = service.list_orders(owner=principal().subject, limit=limit, after=cursor, status=status)
    if page.next_cursor:
        response["Link"] = next_link(PATH, limit=limit, cursor=page.next_cursor, status=status)
    return page


@router.get("/{order_id}", response={200: schemas.Order, 404: None})
@declare(scope="orders:read")
def get_order(request: HttpRequest, order_id: UUID) -> models.Order:
    return service.get_order(owner=principal().subject, order_id=order_id)


@router.post("/{order_id}/cancellation", response={200: schemas.Order, 404: None, 409: None})
@declare(scope="orders:write")
def cancel_order(request: HttpRequest, order_id: UUID) -> models.Order:
    return service.cancel_order(owner=principal().subject, order_id=order_id)
