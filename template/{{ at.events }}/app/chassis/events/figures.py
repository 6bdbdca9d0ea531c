"""What the relay and the consumer count, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from app.chassis.events.rows import Sample
from app.chassis.readiness import Degraded

if TYPE_CHECKING:
    from prometheus_client import Metric

OLD_SECONDS: Final = 60.0
"""An event that waits for longer than this is worth a word."""
OUTCOMES: Final = ("handled", "duplicate", "failed", "dead_letter", "ignored")
UNKNOWN: Final = "unknown"

published: Counter[str] = Counter()
consumed: Counter[tuple[str, str]] = Counter()
shared: Counter[str] = Counter()
failures: Counter[str] = Counter()
lag: dict[str, int] = {}
trouble: dict[str, str] = {}
_sample: Sample | None = None


def sampled(sample: Sample) -> None:
    global _sample
    _sample = sample


def age(sample: Sample, *, now: datetime) -> float:
    """Seconds that the oldest event waits; none is younger than now, whatever the clocks say."""
    return 0.0 if sample.oldest is None else max(0.0, (now - sample.oldest).total_seconds())


def complain() -> None:
    """Raises Degraded: requests are served all the same, and what they publish is kept."""
    said = [f"{loop}: {text}" for loop, text in trouble.items()]
    if _sample is not None:
        seconds = age(_sample, now=datetime.now(UTC))
        if said or seconds > OLD_SECONDS:
            said.append(f"{_sample.depth} events wait in the outbox, the oldest for {seconds:.0f} s")
    if said:
        raise Degraded("degraded: " + "; ".join(said))


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - when somebody scrapes

    if _sample is not None:
        seconds = age(_sample, now=datetime.now(UTC))
        yield GaugeMetricFamily("events_outbox_depth", "Events that wait to be published.", _sample.depth)
        yield GaugeMetricFamily("events_outbox_age_seconds", "How long the oldest of them waits.", seconds)
    sent = CounterMetricFamily("events_published", "Events that the broker has confirmed.", labels=("type",))
    for kind, number in list(published.items()):
        sent.add_metric((kind,), number)
    yield sent
    failed = CounterMetricFamily("events_failures", "Attempts of a loop that came to nothing.", labels=("loop",))
    for loop, number in list(failures.items()):
        failed.add_metric((loop,), number)
    yield failed
    received = CounterMetricFamily("events_consumed", "What became of events.", labels=("type", "outcome"))
    for (kind, outcome), number in list(consumed.items()):
        received.add_metric((kind, outcome), number)
    yield received
    company = CounterMetricFamily("events_shared", "Events handled in a transaction with others.", labels=("type",))
    for kind, number in list(shared.items()):
        company.add_metric((kind,), number)
    yield company
    behind = GaugeMetricFamily("events_consumer_lag", "Events that are not handled yet.", labels=("type",))
    for kind, number in list(lag.items()):
        behind.add_metric((kind,), number)
    yield behind
