"""Metrics for Prometheus: plain integers while requests run, put into its format when it asks."""

import platform
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from app.chassis import about
from app.chassis.exchange import Exchange

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH: Final = 128
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

in_flight: set[Exchange] = set()
"""Requests that are being served."""

# What has ended waits here until it is counted: no more of it than that, as an exchange holds its body and its error.
# Both operations of a deque that are used are atomic.
_ended: deque[tuple[str, str, int, float]] = deque()
_lock = threading.Lock()
_durations: dict[tuple[str, str, int], "Durations"] = {}


class Durations:
    """How long requests of one method, route and status took: counts per bucket, and the sum in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


def finished(exchange: Exchange) -> None:
    """`exchange.route` is a template, never a path: what a client types must not become a label."""
    in_flight.discard(exchange)
    _ended.append((exchange.method, exchange.route, exchange.status, exchange.seconds))
    if len(_ended) >= BATCH:
        _count()


def _count() -> None:
    with _lock:
        while _ended:
            method, route, status, seconds = _ended.popleft()
            key = (method if method in METHODS else "_OTHER", route, status)
            durations = _durations.get(key)
            if durations is None:
                durations = _durations[key] = Durations()
            durations.counts[bisect_left(BUCKETS, seconds)] += 1
            durations.total += seconds


def exposition() -> bytes:
    """Everything in the text format: the requests, what the parts collect, and the process's own figures."""
    from prometheus_client import generate_latest  # noqa: PLC0415 - nothing to import until somebody scrapes

    return generate_latest(_registry())


@cache
def _registry() -> "CollectorRegistry":
    from prometheus_client import REGISTRY  # noqa: PLC0415

    REGISTRY.register(_Collector())
    return REGISTRY


class _Collector:
    """A collector of prometheus_client that reads our integers and asks every part that has some of its own."""

    def collect(self) -> Iterator["Metric"]:
        from app.chassis.parts import PARTS  # noqa: PLC0415 - `parts` imports this module

        for part in PARTS:
            yield from getattr(part, "collect", tuple)()

    def describe(self) -> Iterable["Metric"]:
        """Nothing up front: registering must not call the collectors."""
        return ()


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily  # noqa: PLC0415

    yield InfoMetricFamily(
        "app_build",
        "What is running.",
        {
            "service": about.NAME,
            "version": about.version(),
            "framework": about.FRAMEWORK,
            "python": platform.python_version(),
        },
    )
    _count()
    with _lock:
        snapshot = [(key, list(one.counts), one.total) for key, one in _durations.items()]
    yield GaugeMetricFamily("http_server_active_requests", "Requests that are being served.", len(in_flight))
    histogram = HistogramMetricFamily(
        "http_server_request_duration_seconds",
        "How long requests took.",
        labels=("method", "route", "status"),
    )
    for (method, route, status), counts, total in snapshot:
        histogram.add_metric((method, route, str(status)), cumulative(counts), total)
    yield histogram


def cumulative(counts: list[int]) -> list[tuple[str, float]]:
    buckets, seen = [], 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        seen += count
        buckets.append((bound, float(seen)))
    return buckets
