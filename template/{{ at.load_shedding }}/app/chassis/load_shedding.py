"""Refuses at once what could only be served too late, the least critical first; for what is decided see `admission`."""

import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Final

from pydantic import Field

from app.chassis import queues, routes
from app.chassis.admission import REASONS, USERS, WAIT, Admission, user_hash
from app.chassis.errors import problem
from app.chassis.exchange import Exchange, Reply
from app.chassis.settings import BaseSettings, load

if TYPE_CHECKING:
    from prometheus_client import Metric

HOUR: Final = 3600
# Seconds to stay away: whoever is refused together must not come back together.
RETRY_AFTER: Final = (1, 2, 3, 4, 5)
SPARE_THREADS: Final = queues.SPARE_THREADS


class Settings(BaseSettings):
    load_shedding_target: float = Field(
        0.02, gt=0, le=1, description="Seconds that requests may wait in queues.", examples=["0.02"]
    )
    load_shedding_ceiling: int = Field(
        1000, ge=1, le=100_000, description="Most requests that are ever served at once.", examples=["1000"]
    )


_admission = Admission(target=0.02, ceiling=1000)
_replies: tuple[Reply, ...] = ()
_rejected: Counter[tuple[routes.Criticality, str]] = Counter()


def resources() -> AbstractContextManager[None] | AbstractAsyncContextManager[None]:
    global _admission, _replies
    settings = load(Settings)
    ceiling = min(settings.load_shedding_ceiling, queues.most())
    _admission = Admission(target=settings.load_shedding_target, ceiling=ceiling)
    # The same bytes for everybody: to put a refusal into words must not cost what it saves. Its ids are in the headers.
    body = problem(503, "The service is busy; try again later.")
    _replies = tuple(Reply(503, body, headers=[(b"retry-after", b"%d" % seconds)]) for seconds in RETRY_AFTER)
    return queues.watched(_admission)


def enter(exchange: Exchange) -> Reply | Awaitable[None] | None:
    if exchange.queued:
        _admission.note(exchange.queued)
    late = exchange.started > queues.late
    if late or not _admission.fits(exchange):
        # Only while all is calm does it matter, and only then may looking cost something.
        queueing = late or (_admission.calm and queues.waiting(_admission) > 0)
        criticality = routes.policy_of(exchange).criticality
        reason = _admission.enter(exchange, key(exchange, criticality), queueing=queueing)
        if reason:
            return refused(exchange, criticality, reason)
    try:
        return queues.turn(busy=late or not _admission.calm)
    except TimeoutError:
        _admission.leave(exchange)
        return refused(exchange, routes.policy_of(exchange).criticality, WAIT)


def key(exchange: Exchange, criticality: routes.Criticality) -> int:
    """Who goes first: of all users of the most critical class that with the smallest hash."""
    return criticality * USERS + user_hash(exchange.subject or exchange.client, int(time.time()) // HOUR)


def refused(exchange: Exchange, criticality: routes.Criticality, reason: str) -> Reply:
    _rejected[criticality, reason] += 1
    return _replies[exchange.trace_id % len(_replies)]


def leave(exchange: Exchange) -> None:
    if _admission.leave(exchange):
        queues.left()


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - only when scraped

    yield GaugeMetricFamily("admission_limit", "How many requests may be served at once now.", max(0, _admission.limit))
    yield GaugeMetricFamily("admission_inflight", "Requests that have been let in.", len(_admission.inside))
    yield GaugeMetricFamily("admission_wait_seconds", "How long requests wait in queues now.", _admission.wait)
    family = CounterMetricFamily(
        "admission_rejected", "Requests that were refused to serve others.", labels=("criticality", "reason")
    )
    for criticality in routes.Criticality:
        for reason in REASONS:
            family.add_metric((criticality.name.lower(), reason), _rejected[criticality, reason])
    yield family
