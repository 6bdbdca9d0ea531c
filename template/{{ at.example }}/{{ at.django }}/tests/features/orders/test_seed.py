"""Orders to develop with: the same ones, however often they are asked for."""

from typing import Any

import pytest

from app.features.orders import service
from app.features.orders.seed import seed


def planted(count: int) -> int:
    return seed(count=count, owner="ada")


def orders() -> list[tuple[Any, ...]]:
    page = service.list_orders(owner="ada", limit=100, after=None, status=None)
    return [(one.id, one.status, one.total, [line.sku for line in one.lines]) for one in page.items]


@pytest.mark.django_db
def test_asking_again_makes_nothing_and_asking_for_more_adds_to_them() -> None:
    assert planted(5) == 5
    first = orders()
    assert len(first) == 5
    assert len({total for _, _, total, _ in first}) > 1
    assert planted(5) == 0
    assert orders() == first
    assert planted(8) == 3
    assert orders()[3:] == first
