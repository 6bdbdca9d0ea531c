"""What clients send and get: orders, their lines, and pages of them."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.chassis.pagination import Key, Keyset, NextCursor
from app.features.orders.rules import Status

EXAMPLE_ID: Final = "0199f3c1-7b2a-7c5e-9d40-3f1b8e6a2c71"


def whole(value: object) -> object:
    """JSON has one kind of number: to a schema 2.0 is an integer, and some clients write it so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["A-1"])]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["EUR"])]
Quantity = Annotated[int, Field(strict=True, ge=1, le=1000, examples=[2]), BeforeValidator(whole)]
Price = Annotated[
    int,
    Field(strict=True, ge=0, le=10**9, description="In minor units, such as cents.", examples=[1250]),
    BeforeValidator(whole),
]


class NewLine(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: Sku
    quantity: Quantity
    unit_price: Price


class NewOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Currency
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=100)]


class Line(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sku: Sku
    quantity: Quantity
    unit_price: Price


class Order(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: Annotated[UUID, Field(description="UUIDv7: later orders have greater ones.", examples=[EXAMPLE_ID])]
    status: Status
    currency: Currency
    total: Annotated[int, Field(ge=0, description="In minor units, such as cents.", examples=[2500])]
    lines: list[Line]
    created_at: Annotated[datetime, Field(examples=["2026-01-31T12:00:00Z"])]


class Page(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    items: list[Order]
    next_cursor: NextCursor


NEWEST: Final = Keyset("orders", Key("id", UUID, descending=True))
Cursor = Annotated[str, NEWEST]
