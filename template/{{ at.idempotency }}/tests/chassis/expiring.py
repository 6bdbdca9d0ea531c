"""`make expire-keys`, in small batches and at a moment that is given, in seconds since 1970."""

import sys
from datetime import datetime, tzinfo
from typing import Any

from app.chassis.idempotency import expire


class Then(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.fromtimestamp(float(sys.argv[1]), tz)


def main() -> None:
    expire.BATCH, expire.datetime = 2, Then  # type: ignore[attr-defined]
    expire.main()
