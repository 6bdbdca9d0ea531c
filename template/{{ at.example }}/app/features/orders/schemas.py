"""What clients send and get: orders, their lines, and pages of them."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.features.orders.rules import Status

# 16 bytes are 22 characters of base64, and the last one has only two bits to say.
CURSOR: Final = "^[A-Za-z0-9_-]{21}[AQgw]$"
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
    next_cursor: Annotated[str | None, Field(description="Send it as `cursor` to get the next page.")]


def encode_cursor(last: UUID) -> str:
    return urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(cursor: object) -> UUID:
    """The id that the last page ended with. Raises ValueError for what `encode_cursor` never said."""
    if not isinstance(cursor, str) or not re.fullmatch(CURSOR, cursor, re.ASCII):
        raise ValueError("not a cursor of this list")
    return UUID(bytes=urlsafe_b64decode(f"{cursor}=="))


Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[
    UUID,
    BeforeValidator(decode_cursor),
    WithJsonSchema({"type": "string", "pattern": CURSOR, "description": "The `next_cursor` of the page before."}),
]


def next_link(path: str, *, limit: int, cursor: str, status: Status | None) -> str:
    """The Link header (RFC 8288) that leads to the next page of the same list."""
    query = {"limit": limit, "cursor": cursor} | ({"status": status.value} if status else {})
    return f'<{path}?{urlencode(query)}>; rel="next"'
