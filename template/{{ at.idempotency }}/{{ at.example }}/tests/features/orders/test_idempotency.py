"""Placing an order with an Idempotency-Key."""

from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("app.chassis.idempotency") is None, reason="idempotency was switched off")
ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 1, "unit_price": 1}]}


def place(client: Any, key: str, **changes: Any) -> Any:
    return client.post("/v1/orders", json=ORDER | changes, headers={"idempotency-key": key})


def test_placing_twice_with_one_key_is_one_order(client: Any) -> None:
    first, repeat = place(client, "k"), place(client, "k")
    assert (first.status_code, repeat.status_code) == (201, 201)
    assert (repeat.content, repeat.headers["location"]) == (first.content, first.headers["location"])
    assert repeat.headers["idempotency-replayed"] == "true"
    assert len(client.get("/v1/orders").json()["items"]) == 1


def test_a_key_is_not_used_up_by_an_order_that_was_refused(client: Any) -> None:
    assert place(client, "k", currency="none").status_code == 422
    assert place(client, "k").status_code == 201
    assert place(client, "k", currency="USD").status_code == 422
    assert [order["currency"] for order in client.get("/v1/orders").json()["items"]] == ["EUR"]


def test_the_document_names_the_header(client: Any) -> None:
    operations = client.get("/openapi.json").json()["paths"]["/v1/orders"]
    (header,) = [one for one in operations["post"]["parameters"] if one["in"] == "header"]
    assert (header["name"], header["required"]) == ("Idempotency-Key", False)
    assert {"400", "409", "422"} <= operations["post"]["responses"].keys()
    assert "409" not in operations["get"]["responses"]
