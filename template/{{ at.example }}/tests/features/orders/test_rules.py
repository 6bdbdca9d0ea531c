"""What the rules of orders decide."""

import pytest

from app.chassis.errors import Conflict
from app.features.orders.rules import Status, cancelled, total
from app.features.orders.schemas import NewLine


def line(quantity: int, unit_price: int) -> NewLine:
    return NewLine(sku="A-1", quantity=quantity, unit_price=unit_price)


def test_a_total_is_the_sum_of_quantity_times_price() -> None:
    assert total([line(2, 1250), line(1, 99)]) == 2599


def test_the_greatest_order_fits_64_bits() -> None:
    assert total([line(1000, 10**9)] * 100) < 2**63


def test_a_placed_order_can_be_cancelled() -> None:
    assert cancelled(Status.PLACED) is Status.CANCELLED


@pytest.mark.parametrize("status", [Status.SHIPPED, Status.CANCELLED])
def test_any_other_order_cannot(status: Status) -> None:
    with pytest.raises(Conflict, match=status):
        cancelled(status)
