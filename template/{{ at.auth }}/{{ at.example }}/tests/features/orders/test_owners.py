"""Whose an order is: nobody meets the orders of another one."""

from typing import Any

import pytest

from tests.features.orders.test_orders import ORDER, cancel, place


@pytest.fixture
def bob(sign_in: Any) -> dict[str, str]:
    return dict(sign_in("bob"))


def test_the_order_of_another_is_not_there(client: Any, bob: dict[str, str]) -> None:
    order = place(client)
    path = f"/v1/orders/{order['id']}"
    assert client.get(path).status_code == 200
    refused = client.get(path, headers=bob)
    nothing = client.get(path[:-4] + "0000", headers=bob)
    assert (refused.status_code, nothing.status_code) == (404, 404)
    assert client.post(f"{path}/cancellation", headers=bob).status_code == 404
    assert client.get(path).json() == order


def test_a_list_has_the_orders_of_its_owner_alone(client: Any, bob: dict[str, str]) -> None:
    mine = [place(client)["id"] for _ in range(2)]
    theirs = client.post("/v1/orders", json=ORDER, headers=bob).json()["id"]
    assert [one["id"] for one in client.get("/v1/orders").json()["items"]] == mine[::-1]
    assert [one["id"] for one in client.get("/v1/orders", headers=bob).json()["items"]] == [theirs]
    # A cursor says where to go on, not whose list it is.
    first = client.get("/v1/orders", params={"limit": 1}).json()
    beyond = client.get("/v1/orders", params={"cursor": first["next_cursor"]}, headers=bob).json()
    assert not {one["id"] for one in beyond["items"]} & set(mine)


def test_an_owner_cannot_be_given_away(client: Any) -> None:
    assert client.post("/v1/orders", json=ORDER | {"owner": "bob"}).status_code == 422


def test_each_deed_needs_its_scope(client: Any, sign_in: Any) -> None:
    reader, writer = sign_in("ada", {"orders:read"}), sign_in("ada", {"orders:write"})
    order = client.post("/v1/orders", json=ORDER, headers=writer)
    path = f"/v1/orders/{order.json()['id']}"
    assert order.status_code == 201
    assert client.post("/v1/orders", json=ORDER, headers=reader).status_code == 403
    assert client.post(f"{path}/cancellation", headers=reader).status_code == 403
    assert client.get(path, headers=writer).status_code == 403
    assert client.get("/v1/orders", headers=writer).status_code == 403
    assert client.get(path, headers=reader).status_code == 200
    assert client.post(f"{path}/cancellation", headers=writer).status_code == 200


def test_nobody_gets_anything(client: Any, sign_in: Any) -> None:
    order = place(client)
    for name in sign_in("tester"):
        client.headers.pop(name)
    for method, path in (("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", f"/v1/orders/{order['id']}")):
        assert client.request(method, path, json=ORDER if method == "POST" else None).status_code == 401
    assert cancel(client, order).status_code == 401
