"""`python -m app.chassis.idempotency.expire`: delete the answers that are too old to be repeated."""

import os
import sys
from datetime import UTC, datetime

import django
import structlog
from django.db import DatabaseError

from app.chassis import idempotency, logging

# So few that nobody waits for their locks.
BATCH = 1000
log = structlog.get_logger()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup()
    logging.configure()
    try:
        log.info("idempotency.expired", keys=expire(now=datetime.now(UTC)))
    except DatabaseError as error:
        sys.exit(f"{error}")


def expire(*, now: datetime) -> int:
    """How many were deleted."""
    oldest, deleted = idempotency.oldest(now), 0
    while some := expire_some(oldest):
        deleted += some
    return deleted


def expire_some(oldest: datetime) -> int:
    """One transaction. A key that is used again meanwhile has a new time, and stays."""
    from app.chassis.idempotency.models import Key  # noqa: PLC0415 - Django is set up by now

    old = Key.objects.filter(created_at__lte=oldest)
    ids = list(old.values_list("id", flat=True)[:BATCH])
    if ids:
        old.filter(id__in=ids).delete()
    return len(ids)


if __name__ == "__main__":
    main()
