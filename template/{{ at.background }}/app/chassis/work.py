"""A unit of work that no request began, a job or an event: measured once, with the ids of whatever caused it."""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from app.chassis import tracing
from app.chassis.exchange import Exchange, current
from app.chassis.metrics import BUCKETS, Durations, cumulative

if TYPE_CHECKING:
    from prometheus_client import Metric

DONE, FAILED = "done", "failed"
log = structlog.get_logger()

_lock = threading.Lock()
_durations: dict[tuple[str, str, str], Durations] = {}


class Work(Exchange):
    """`kind` is what it is, such as job or event; `name` which one of them, never what a caller says.

    `outcome` is done or failed, or whatever whoever does it sets.
    """

    span_kind = "CONSUMER"
    outcome = DONE

    def __init__(self, kind: str, name: str, carrier: Mapping[str, str]) -> None:
        super().__init__(kind, "", "")
        self.route = name
        self.status = 200
        self.carrier = carrier

    def header(self, name: str) -> str | None:
        return self.carrier.get(name)

    def span_attributes(self) -> dict[str, str | int]:
        return {
            "messaging.operation.type": "process",
            "messaging.operation.name": self.method,
            "messaging.destination.name": self.route,
            "app.outcome": self.outcome,
        }


def carrier() -> dict[str, str]:
    """What whoever does this later needs to know of the running request or work: to be kept with it as it is."""
    return tracing.outgoing()


@contextmanager
def unit(kind: str, name: str, given: Mapping[str, str] | None = None) -> Iterator[Work]:
    """The code inside is one unit of work, in the trace that `given` (a `carrier()`) names, with one log line."""
    work = Work(kind, name, given or {})
    token = current.set(work)
    tracing.begin(work)
    work.request_id = work.header("x-request-id") or f"{work.trace_id:032x}"
    try:
        yield work
    except BaseException as error:
        work.error, work.status, work.outcome = error, 500, FAILED
        raise
    finally:
        work.seconds = perf_counter() - work.started
        if work.span is not None:
            tracing.end(work)
        say(work)
        current.reset(token)
        count(work)


def say(work: Work) -> None:
    fields = {"name": work.route, "outcome": work.outcome, "duration_ms": round(work.seconds * 1e3, 3)}
    event = f"{work.method}.{work.outcome}"
    if work.outcome == DONE:
        log.info(event, **fields)
    else:
        log.warning(event, **fields, exc_info=work.error)


def count(work: Work) -> None:
    with _lock:
        durations = _durations.setdefault((work.method, work.route, work.outcome), Durations())
        durations.counts[bisect_left(BUCKETS, work.seconds)] += 1
        durations.total += work.seconds


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - nobody needs it before a scrape

    with _lock:
        snapshot = [(key, list(one.counts), one.total) for key, one in _durations.items()]
    histogram = HistogramMetricFamily(
        "background_duration_seconds", "How long units of work took.", labels=("kind", "name", "outcome")
    )
    for key, counts, total in snapshot:
        histogram.add_metric(key, cumulative(counts), total)
    yield histogram
