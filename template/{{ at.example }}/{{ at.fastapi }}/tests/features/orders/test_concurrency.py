"""Orders that several clients change at the same time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

CLIENTS = 8
ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 1, "unit_price": 1}]}


def test_an_order_is_cancelled_by_one_of_many(client: Any) -> None:
    """Read, decide, write: the row is locked from the first step to the last, whichever database it is."""
    for _ in range(3):
        path = client.post("/v1/orders", json=ORDER).headers["location"] + "/cancellation"
        with ThreadPoolExecutor(CLIENTS) as pool:
            statuses = [answer.status_code for answer in pool.map(client.post, [path] * CLIENTS)]
        assert sorted(statuses) == [200] + [409] * (CLIENTS - 1)


def test_orders_are_placed_side_by_side(client: Any) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/orders", json=ORDER), range(3 * CLIENTS)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(client.get("/v1/orders?limit=100").json()["items"]) == 3 * CLIENTS
