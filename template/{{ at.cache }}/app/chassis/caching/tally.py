"""What happened to cached values, counted by their group: never by a key, of which there is no end."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import Metric

RESULTS: Final = ("hit", "miss", "stale", "stale_if_error")
REFUSALS: Final = ("too_large", "not_serialisable", "overtaken")

requests: Counter[tuple[str, str]] = Counter()
refused: Counter[tuple[str, str]] = Counter()
loads: Counter[str] = Counter()
load_failures: Counter[str] = Counter()
corrupt: Counter[str] = Counter()
invalidated: Counter[str] = Counter()


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    asked = CounterMetricFamily("cache_requests", "Calls of cached functions.", labels=("group", "result"))
    unkept = CounterMetricFamily("cache_refused", "Values that were not stored.", labels=("group", "reason"))
    # A copy: others count on.
    for family, counter in ((asked, requests), (unkept, refused)):
        for labels, number in dict(counter).items():
            family.add_metric(labels, number)
        yield family
    for name, help_text, by_group in (
        ("cache_loads", "Values that were made.", loads),
        ("cache_load_failures", "Values whose making failed.", load_failures),
        ("cache_corrupt", "Stored bytes that were no value.", corrupt),
        ("cache_invalidations", "Values that were said to be wrong.", invalidated),
    ):
        one = CounterMetricFamily(name, help_text, labels=("group",))
        for group, number in dict(by_group).items():
            one.add_metric((group,), number)
        yield one
