"""Orders to develop with: the same ones every time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from app.features.orders.rules import Status
from app.features.orders.schemas import NewLine

START: Final = datetime(2026, 1, 1, 9, tzinfo=UTC)
GOODS: Final = {"A-1": 1250, "B-2": 99, "C-3": 20_000}


@dataclass(frozen=True, slots=True)
class Sample:
    id: UUID
    status: Status
    currency: str
    lines: list[NewLine]
    created_at: datetime


def samples(*, count: int, owner: str) -> Iterator[Sample]:
    """One every seven hours; the first ones of many are those of few."""
    for number in range(count):
        chance = Random(f"{owner} {number}")  # noqa: S311 - it shall be the same again
        moment = START + number * timedelta(hours=7)
        lines = [
            NewLine(sku=sku, quantity=chance.randint(1, 9), unit_price=GOODS[sku])
            for sku in chance.sample(sorted(GOODS), chance.randint(1, len(GOODS)))
        ]
        yield Sample(
            id=id_of(moment, chance),
            status=chance.choice(list(Status)),
            currency=chance.choice(["EUR", "USD"]),
            lines=lines,
            created_at=moment,
        )


def id_of(moment: datetime, chance: Random) -> UUID:
    """A UUIDv7 (RFC 9562): the milliseconds, the version, and bits of chance around the variant."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62))
