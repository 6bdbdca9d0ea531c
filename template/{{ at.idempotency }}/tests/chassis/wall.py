"""A clock on the wall that is as far off as a request says."""

from datetime import datetime, timedelta, tzinfo
from typing import Any

from app.chassis.exchange import current
from app.chassis.idempotency import views

OFF = "x-wall-clock-off"


class Wall(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        exchange = current.get()
        seconds = exchange.header(OFF) if exchange is not None else None
        return datetime.now(tz) + timedelta(seconds=float(seconds or 0))


def install() -> None:
    """In this process, which is one of the tests' services."""
    views.datetime = Wall  # type: ignore[attr-defined]
