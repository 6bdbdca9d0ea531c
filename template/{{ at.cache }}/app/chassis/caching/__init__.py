"""Values that take long to make are kept in a Redis or Valkey; while that is away they are made, and nothing fails."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.chassis.caching import conditional, tally
from app.chassis.caching.options import Settings
from app.chassis.readiness import Degraded
from app.chassis.routes import Policy
from app.chassis.settings import load

if TYPE_CHECKING:
    from prometheus_client import Metric

    from app.chassis.caching.engine import Engine

__all__ = ["Settings"]

_engine: "Engine | None" = None


def resources() -> Any:
    """A context manager, asynchronous under ASGI: that is how connections to the store are closed."""
    from app.chassis.caching.engine import opened  # noqa: PLC0415 - the database, when it is loaded

    return opened(load(Settings), _use)


def _use(engine: "Engine | None") -> None:
    global _engine
    _engine = engine


def opened_store() -> Any:
    """The Redis or Valkey, while the service runs and has one."""
    return None if _engine is None else _engine.redis


def check() -> Any:
    """Shown, never a reason to be not ready: without the cache the service is slower (FastAPI: awaitable)."""
    return None if _engine is None else _engine.check(Degraded)


def wrap(policy: Policy, call: Any) -> Any:
    """The same call, whose reply has an ETag and a Cache-Control, where the route says so."""
    if not policy.cache:
        return call
    from app.chassis.caching.views import conditional as made_conditional  # noqa: PLC0415 - the framework, when loaded

    return made_conditional(policy.cache, call)


def document(policy: Policy, operation: dict[str, Any]) -> None:
    """The 304 and the headers, in the OpenAPI document."""
    if policy.cache:
        conditional.document(operation)


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    yield from tally.collect()
    if _engine is None:
        return
    yield GaugeMetricFamily("cache_memory_bytes", "What the process keeps by itself.", _engine.memory.bytes)
    yield GaugeMetricFamily("cache_memory_entries", "How many values that are.", len(_engine.memory.entries))
    if _engine.redis is not None:
        breaker = _engine.redis.breaker
        yield CounterMetricFamily("cache_store_failures", "Questions that it did not answer.", breaker.failures)
        yield GaugeMetricFamily("cache_store_away", "1 while it is not asked because it failed.", int(breaker.open))
