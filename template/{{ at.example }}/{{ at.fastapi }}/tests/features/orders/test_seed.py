"""Orders to develop with: the same ones, however often they are asked for."""

from functools import partial
from typing import Any

from app.chassis.transactions import in_transaction
from app.features.orders import service
from app.features.orders.seed import seed


def planted(client: Any, count: int) -> int:
    return int(client.portal.call(partial(in_transaction, seed, count=count, owner="ada")))


def orders(client: Any) -> list[tuple[Any, ...]]:
    listing = partial(in_transaction, service.list_orders, owner="ada", limit=100, after=None, status=None)
    page = client.portal.call(listing)
    return [(one.id, one.status, one.total, [line.sku for line in one.lines]) for one in page.items]


def test_asking_again_makes_nothing_and_asking_for_more_adds_to_them(client: Any) -> None:
    assert planted(client, 5) == 5
    first = orders(client)
    assert len(first) == 5
    assert len({total for _, _, total, _ in first}) > 1
    assert planted(client, 5) == 0
    assert orders(client) == first
    assert planted(client, 8) == 3
    assert orders(client)[3:] == first
