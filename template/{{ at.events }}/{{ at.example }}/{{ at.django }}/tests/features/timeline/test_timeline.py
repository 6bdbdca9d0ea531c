"""The timeline: what happens to an order is told by events, once each."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.features.timeline import service

ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}


def timeline(order: dict[str, Any]) -> list[str]:
    return service.of_order(UUID(order["id"]))


def test_what_happens_to_an_order_is_on_its_timeline_once(client: Any, settle: Callable[[], None]) -> None:
    order = client.post("/v1/orders", json=ORDER).json()
    assert timeline(order) == []
    settle()
    client.post(f"/v1/orders/{order['id']}/cancellation")
    settle()
    settle()
    assert timeline(order) == ["placed", "cancelled"]


def test_what_is_refused_is_on_no_timeline(client: Any, settle: Callable[[], None]) -> None:
    order = client.post("/v1/orders", json=ORDER).json()
    client.post(f"/v1/orders/{order['id']}/cancellation")
    assert client.post(f"/v1/orders/{order['id']}/cancellation").status_code == 409
    settle()
    assert timeline(order) == ["placed", "cancelled"]
