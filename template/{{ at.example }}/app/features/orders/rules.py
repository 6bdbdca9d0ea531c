"""What may be done with an order: values in, values out."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from app.chassis.errors import Conflict


class Status(StrEnum):
    PLACED = "placed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class Priced(Protocol):
    """A line of an order; prices are in minor units of the order's currency, such as cents."""

    @property
    def quantity(self) -> int: ...

    @property
    def unit_price(self) -> int: ...


def total(lines: Iterable[Priced]) -> int:
    """The price of all lines, in minor units."""
    return sum(line.quantity * line.unit_price for line in lines)


def cancelled(status: Status) -> Status:
    """The status after a cancellation. Raises Conflict when it is too late for one."""
    if status is not Status.PLACED:
        raise Conflict(f"An order that is {status} cannot be cancelled.")
    return Status.CANCELLED
