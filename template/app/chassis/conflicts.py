"""Transactions that the database took back in favour of others: when, and how often, one of them runs again."""

from collections import Counter
from random import uniform
from typing import TYPE_CHECKING, Final

from app.chassis.exchange import remaining

if TYPE_CHECKING:
    from prometheus_client import Metric

REASONS: Final = ("serialization", "deadlock")
BASE_SECONDS: Final = 0.02
CAP_SECONDS: Final = 0.5

_retries: Counter[str] = Counter()


def pause(reason: str | None, attempt: int, *, retries: int) -> float | None:
    """Seconds to wait before retry `attempt` (0-based), full jitter; Brooker 2015. None: there is to be none.

    `reason` is why the transaction lost, None if it failed otherwise.
    """
    if reason is None or attempt >= retries:
        return None
    seconds = uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**attempt))  # noqa: S311 - no secret
    left = remaining()
    if left is not None and left <= seconds:
        return None
    _retries[reason] += 1
    return seconds


def counted() -> "Metric":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily("database_retries", "Transactions that were run again, by why.", labels=("reason",))
    for reason in REASONS:
        family.add_metric((reason,), _retries[reason])
    return family
