"""A limit to what one client may ask for; who asks for more gets a 429 that says when to come back."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, field_validator

from app.chassis import gcra, rate_store, routes
from app.chassis.errors import problem
from app.chassis.exchange import Exchange, Reply
from app.chassis.gcra import Limit, Verdict
from app.chassis.proxies import network
from app.chassis.settings import BaseSettings, load, split_url

if TYPE_CHECKING:
    from prometheus_client import Metric

MOST_REQUESTS: Final = 10**9
MOST_SECONDS: Final = 86_400 * 31


def parsed(text: str) -> dict[str, Limit]:
    """`default=600/60, writes=60/60` as limits by class. Raises ValueError."""
    limits = dict(_limit(one.strip()) for one in text.split(",") if one.strip())
    if "default" not in limits:
        raise ValueError("has no limit for the class default, which is every route's that declares none")
    return limits


def _limit(text: str) -> tuple[str, Limit]:
    name, _, rest = text.partition("=")
    requests, _, seconds = rest.partition("/")
    try:
        limit = Limit(int(requests), float(seconds))
    except ValueError:
        raise ValueError(f"{text!r} is not class=requests/seconds") from None
    if not (name.strip().isidentifier() and 1 <= limit.requests <= MOST_REQUESTS and 0 < limit.seconds <= MOST_SECONDS):
        raise ValueError(f"{text!r} needs a name, at least one request and more than 0 seconds, at most 31 days")
    return name.strip(), limit


class Settings(BaseSettings):
    rate_limits: str = Field(
        "default=6000/60",
        description="Requests that one client may make, by class of routes: class=requests/seconds.",
        examples=["default=6000/60,writes=600/60"],
    )
    rate_limit_url: str = Field(
        "",
        repr=False,
        description="A Redis or Valkey that replicas count in together.",
        examples=["redis://localhost:6379/0"],
    )

    @field_validator("rate_limits")
    @classmethod
    def check_limits(cls, value: str) -> str:
        parsed(value)
        return value

    @field_validator("rate_limit_url")
    @classmethod
    def check_url(cls, value: str) -> str:
        if value and split_url(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("is for no Redis: it begins with redis://, rediss:// or unix://")
        return value


_limits: dict[str, Limit] = {}
_policies: dict[str, tuple[bytes, bytes]] = {}
_memory = gcra.Memory()
_store: rate_store.Store | None = None
_limited: Counter[str] = Counter()


def resources() -> Any:
    """A context manager, asynchronous under ASGI: that is how connections to the store are closed."""
    global _limits, _policies, _memory
    settings = load(Settings)
    _limits, _memory = parsed(settings.rate_limits), gcra.Memory()
    _policies = {name: (b"ratelimit-policy", policy(name, limit)) for name, limit in _limits.items()}
    return rate_store.opened(settings.rate_limit_url, _use)


def policy(name: str, limit: Limit) -> bytes:
    return f'"{name}";q={limit.requests};w={math.ceil(limit.seconds)}'.encode()


def _use(store: rate_store.Store | None) -> None:
    global _store
    _store = store


def check_routes() -> None:
    """Called when the routes are known. Raises ValueError for one whose class has no limit."""
    unknown = {policy.rate_class for policy in routes.policies()} - _limits.keys()
    if unknown:
        raise ValueError(f"RATE_LIMITS has no limit for {', '.join(sorted(unknown))}, which routes declare")


def enter(exchange: Exchange) -> Any:
    """A reply for who has asked too often; where a store is asked, what the store says (FastAPI: awaitable)."""
    name = routes.policy_of(exchange).rate_class
    key = f"{name} {exchange.subject or network(exchange.client)}"
    if _store is None:
        return judge(exchange, name, _memory.take(key, _limits[name]))
    return rate_store.ask(_store, key, _limits[name], lambda verdict: judge(exchange, name, verdict))


def judge(exchange: Exchange, name: str, verdict: Verdict) -> Reply | None:
    """Say what is left, draft-ietf-httpapi-ratelimit-headers; refuse when nothing is."""
    exchange.reply_headers += (
        _policies[name],
        (b"ratelimit", f'"{name}";r={verdict.remaining};t={math.ceil(verdict.full)}'.encode()),
    )
    if verdict.allowed:
        return None
    _limited[name] += 1
    seconds = max(1, math.ceil(verdict.wait))
    body = problem(429, f"That was one request too many; try again in {seconds} s.")
    return Reply(429, body, headers=[(b"retry-after", b"%d" % seconds)])


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    limited = CounterMetricFamily("rate_limited", "Requests that were one too many.", labels=("class",))
    for name in _limits:
        limited.add_metric((name,), _limited[name])
    yield limited
    failures = _store.failures if _store is not None else 0
    yield CounterMetricFamily("rate_limit_store_failures", "Requests let through uncounted: no store.", failures)
