"""Orders as a client meets them, over HTTP and with a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.chassis.pagination import Keyset
from app.features.orders.schemas import NEWEST

LINES = [{"sku": "A-1", "quantity": 2, "unit_price": 1250}, {"sku": "B-2", "quantity": 1, "unit_price": 99}]
ORDER = {"currency": "EUR", "lines": LINES}


def place(client: Any, **changes: Any) -> dict[str, Any]:
    answer = client.post("/v1/orders", json=ORDER | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def cancel(client: Any, order: dict[str, Any]) -> Any:
    return client.post(f"/v1/orders/{order['id']}/cancellation")


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert len(body["trace_id"]) == 32
    return dict(body)


# -- placing


def test_an_order_is_placed_and_found_where_the_answer_says(client: Any) -> None:
    answer = client.post("/v1/orders", json=ORDER)
    order = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert order["status"] == "placed"
    assert order["currency"] == "EUR"
    assert order["total"] == 2599
    assert order["lines"] == LINES
    assert set(order) == {"id", "status", "currency", "total", "lines", "created_at"}
    assert client.get(answer.headers["location"]).json() == order


def test_an_order_knows_when_it_was_placed(client: Any) -> None:
    created_at = datetime.fromisoformat(place(client)["created_at"])
    assert created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=1)


def test_an_id_is_a_uuid_that_grows_with_time(client: Any) -> None:
    ids = [UUID(place(client)["id"]) for _ in range(3)]
    assert {one.version for one in ids} == {7}
    assert ids == sorted(ids)


def test_lines_keep_their_order(client: Any) -> None:
    lines = [{"sku": f"S-{9 - number}", "quantity": 1, "unit_price": number} for number in range(10)]
    order = place(client, lines=lines)
    assert client.get(f"/v1/orders/{order['id']}").json()["lines"] == lines


def test_the_greatest_order_is_taken_whole(client: Any) -> None:
    order = place(client, lines=[{"sku": "A" * 64, "quantity": 1000, "unit_price": 10**9}] * 100)
    assert order["total"] == 10**14


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"currency": "eur"}, "#/currency"),
        ({"currency": "EUR\n"}, "#/currency"),
        ({"currency": "E\x00R"}, "#/currency"),
        ({"currency": None}, "#/currency"),
        ({"lines": []}, "#/lines"),
        ({"lines": LINES * 51}, "#/lines"),
        ({"lines": "A-1"}, "#/lines"),
        ({"lines": [LINES[0] | {"quantity": 0}]}, "#/lines/0/quantity"),
        ({"lines": [LINES[0] | {"quantity": 1001}]}, "#/lines/0/quantity"),
        ({"lines": [LINES[0] | {"quantity": "2"}]}, "#/lines/0/quantity"),
        ({"lines": [LINES[0] | {"quantity": True}]}, "#/lines/0/quantity"),
        ({"lines": [LINES[0], LINES[1] | {"unit_price": -1}]}, "#/lines/1/unit_price"),
        ({"lines": [LINES[0] | {"unit_price": 10**9 + 1}]}, "#/lines/0/unit_price"),
        ({"lines": [LINES[0] | {"unit_price": 10**30}]}, "#/lines/0/unit_price"),
        ({"lines": [LINES[0] | {"unit_price": 12.5}]}, "#/lines/0/unit_price"),
        ({"lines": [LINES[0] | {"sku": ""}]}, "#/lines/0/sku"),
        ({"lines": [LINES[0] | {"sku": "A" * 65}]}, "#/lines/0/sku"),
        ({"lines": [LINES[0] | {"sku": "A\x00"}]}, "#/lines/0/sku"),
        ({"lines": [LINES[0] | {"colour": "red"}]}, "#/lines/0/colour"),
        ({"total": 1}, "#/total"),
    ],
)
def test_what_is_wrong_with_an_order_is_pointed_at(client: Any, change: dict[str, Any], pointer: str) -> None:
    body = problem(client.post("/v1/orders", json=ORDER | change), 422)
    assert pointer in [error["pointer"] for error in body["errors"]]
    assert client.get("/v1/orders").json()["items"] == []


# -- one order


def test_an_unknown_order_is_not_found(client: Any) -> None:
    unknown = uuid4()
    assert str(unknown) in problem(client.get(f"/v1/orders/{unknown}"), 404)["detail"]


@pytest.mark.parametrize("path", ["/v1/orders/7", "/v1/orders/%00", "/v1/orders/not-a-uuid/cancellation"])
def test_what_is_no_id_is_refused(client: Any, path: str) -> None:
    answer = client.post(path) if path.endswith("cancellation") else client.get(path)
    assert problem(answer, 422)["errors"][0]["parameter"] == "order_id"


# -- cancelling


def test_a_placed_order_is_cancelled(client: Any) -> None:
    order = place(client)
    answer = cancel(client, order)
    assert answer.status_code == 200
    assert answer.json() == order | {"status": "cancelled"}
    assert client.get(f"/v1/orders/{order['id']}").json()["status"] == "cancelled"


def test_an_order_is_cancelled_once(client: Any) -> None:
    order = place(client)
    cancel(client, order)
    assert "cancelled" in problem(cancel(client, order), 409)["detail"]


def test_an_unknown_order_is_not_cancelled(client: Any) -> None:
    problem(cancel(client, {"id": uuid4()}), 404)


# -- lists


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_without_orders_the_list_is_empty(client: Any) -> None:
    answer = client.get("/v1/orders")
    assert answer.json() == {"items": [], "next_cursor": None}
    assert "link" not in answer.headers


def test_a_list_shows_the_newest_first_as_each_is(client: Any) -> None:
    placed = [place(client) for _ in range(3)]
    assert client.get("/v1/orders").json()["items"] == placed[::-1]


def test_pages_meet_without_gap_or_overlap(client: Any) -> None:
    placed = [place(client)["id"] for _ in range(7)]
    seen, path = [], "/v1/orders?limit=3"
    sizes = []
    while path:
        answer = client.get(path)
        seen += ids(answer)
        sizes.append(len(ids(answer)))
        cursor = answer.json()["next_cursor"]
        path = f"/v1/orders?limit=3&cursor={cursor}" if cursor else ""
    assert seen == placed[::-1]
    assert sizes == [3, 3, 1]


def test_a_full_last_page_leads_nowhere(client: Any) -> None:
    place(client)
    place(client)
    assert client.get("/v1/orders?limit=2").json()["next_cursor"] is None


def test_an_order_placed_meanwhile_does_not_move_the_pages(client: Any) -> None:
    first, second = place(client), place(client)
    cursor = client.get("/v1/orders?limit=1").json()["next_cursor"]
    place(client)
    assert ids(client.get(f"/v1/orders?limit=1&cursor={cursor}")) == [first["id"]] != [second["id"]]


def test_the_link_header_leads_to_the_next_page_of_the_same_list(client: Any) -> None:
    placed = [place(client) for _ in range(4)]
    cancel(client, placed[1])
    first = client.get("/v1/orders?limit=2&status=placed")
    target, _, rel = first.headers["link"].partition(">; ")
    assert rel == 'rel="next"'
    following = client.get(target.removeprefix("<"))
    assert ids(first) + ids(following) == [placed[3]["id"], placed[2]["id"], placed[0]["id"]]
    assert "link" not in following.headers


def test_a_status_filters(client: Any) -> None:
    kept, dropped = place(client), place(client)
    cancel(client, dropped)
    assert ids(client.get("/v1/orders?status=placed")) == [kept["id"]]
    assert ids(client.get("/v1/orders?status=cancelled")) == [dropped["id"]]
    assert ids(client.get("/v1/orders?status=shipped")) == []


def test_a_cursor_of_another_list_is_refused(client: Any) -> None:
    theirs = Keyset("invoices", *NEWEST.keys).encode([uuid4()])
    assert problem(client.get(f"/v1/orders?cursor={theirs}"), 422)["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("status=lost", "status"),
        ("status=placed%00", "status"),
        ("cursor=", "cursor"),
        ("cursor=nonsense", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAB", "cursor"),
        ("cursor=%00AAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ("cursor=%C3%A9AAAAAAAAAAAAAAAAAAAAA", "cursor"),
    ],
)
def test_a_list_refuses_what_it_cannot_mean(client: Any, query: str, parameter: str) -> None:
    body = problem(client.get(f"/v1/orders?{query}"), 422)
    assert [error["parameter"] for error in body["errors"]] == [parameter]


def test_a_longer_page_takes_no_more_queries(client: Any, queries: Any) -> None:
    """No N+1: the lines of all orders come in one statement."""
    for _ in range(5):
        place(client)
    with queries() as for_one:
        assert len(ids(client.get("/v1/orders?limit=1"))) == 1
    with queries() as for_five:
        assert len(ids(client.get("/v1/orders?limit=5"))) == 5
    assert len(for_five) == len(for_one) == 2, for_five


def test_one_order_takes_two_queries(client: Any, queries: Any) -> None:
    order = place(client)
    with queries() as seen:
        client.get(f"/v1/orders/{order['id']}")
    assert len(seen) == 2, seen
