"""One service that this one calls: its limits, what has become of the latest calls, and what to do with the next."""

import random
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_network
from itertools import accumulate
from time import perf_counter
from typing import TYPE_CHECKING, Final

from pydantic import Field

from app.chassis import errors
from app.chassis.addresses import Network
from app.chassis.breaker import Breaker, Permit, Trip
from app.chassis.budget import Budget
from app.chassis.bulkhead import Bulkhead
from app.chassis.exchange import remaining
from app.chassis.failures import CircuitOpen, TimedOut
from app.chassis.latencies import Latencies
from app.chassis.metrics import BUCKETS
from app.chassis.settings import BaseSettings, Networks, load

if TYPE_CHECKING:
    from prometheus_client import Metric

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
AGAIN: Final = frozenset({429, 502, 503, 504})
RETRY_SHARE: Final = 0.1
HEDGE_SHARE: Final = 0.05
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
# A call ends a little before the request that needs it, so that it is the call that says so.
EARLY: Final = 0.02
MEBIBYTE: Final = 1 << 20


class Settings(BaseSettings):
    outbound_timeout: float = Field(
        10.0, gt=0, le=3600, description="Seconds that a call to another service may take.", examples=["10"]
    )
    outbound_attempts: int = Field(3, ge=1, le=10, description="Most attempts of a call.", examples=["3"])
    outbound_concurrency: int = Field(
        50, ge=1, le=10_000, description="Most calls to one service at a time.", examples=["50"]
    )
    outbound_allow: Networks = Field(
        (), description="Private networks that URLs from input may lead to.", examples=["10.1.0.0/16,10.2.0.7"]
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What one client does differently; None is what the settings say. All times are in seconds.

    `timeout` is for the whole call, with its retries and its body; httpx2's own `timeout=` of a client or of a call
    makes it shorter or longer. `attempt` is for one attempt until its reply begins, by default an equal share of that.
    A reply that begins later than `slow` (half of `attempt`) counts as a failure for the breaker. `waiting` is how many
    calls may wait for one of `concurrency` to end, by default as many. `limit` is the largest body, in bytes.
    `hedged`: a GET that is late is made a second time, and the first answer wins.
    """

    timeout: float | None = None
    attempts: int | None = None
    concurrency: int | None = None
    waiting: int | None = None
    attempt: float | None = None
    slow: float | None = None
    limit: int = 10 * MEBIBYTE
    hedged: bool = False
    trip: Trip = field(default_factory=Trip)

    def __post_init__(self) -> None:
        for name in ("timeout", "attempts", "concurrency", "attempt", "slow", "limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value} would let no call through: give more than 0, or nothing")


class Waits:
    """How long calls waited: counts per bucket, and the sum in seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        return list(zip((*map(str, BUCKETS), "+Inf"), map(float, accumulate(self.counts)), strict=True))


class Dependency:
    """Everything that the calls of one client share; safe for threads."""

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self.rules = rules
        self.breaker = Breaker(rules.trip)
        self.retries = Budget(RETRY_SHARE)
        self.hedges = Budget(HEDGE_SHARE)
        self.latencies = Latencies()
        self.outcomes: Counter[str] = Counter()
        self.hedged: Counter[bool] = Counter()
        self.waits = Waits()
        self._lock = threading.Lock()

    @cached_property
    def timeout(self) -> float:
        """Read with the first call: importing a module that makes a client reads no environment."""
        return self.rules.timeout or load(Settings).outbound_timeout

    @cached_property
    def attempts(self) -> int:
        return self.rules.attempts or load(Settings).outbound_attempts

    @cached_property
    def bulkhead(self) -> Bulkhead:
        most = self.rules.concurrency or load(Settings).outbound_concurrency
        return Bulkhead(most, waiting=most if self.rules.waiting is None else self.rules.waiting)

    def waited(self, seconds: float) -> None:
        with self._lock:
            self.waits.add(seconds)

    def ended(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1

    def hedge_ended(self, *, won: bool) -> None:
        with self._lock:
            self.hedged[won] += 1


class Plan:
    """How long one call may take and how often it may be tried; `deadline` is of `time.perf_counter`."""

    def __init__(self, dependency: Dependency, timeout: float, *, repeatable: bool, guarded: bool) -> None:
        self.dependency = dependency
        # Addresses from input have no breaker: whoever names one that is down would shut off all the others.
        self.breaker = None if guarded else dependency.breaker
        self.tried = 0
        self.attempts = dependency.attempts if repeatable else 1
        self.deadline = perf_counter() + timeout
        self.by_request = False
        left = remaining()
        if left is not None and left - EARLY < timeout:
            self.by_request = True
            self.deadline = perf_counter() + left - EARLY
        self.attempt = dependency.rules.attempt or timeout / self.attempts

    def left(self) -> float:
        """Seconds until the call's time is over. Raises Expired or TimedOut when it is."""
        seconds = self.deadline - perf_counter()
        if seconds <= 0:
            raise self.late()
        return seconds

    def late(self) -> errors.Problem:
        """What to say when there is no time left: whose time it was decides."""
        if self.by_request and perf_counter() > self.deadline - EARLY / 2:
            return errors.expire("outbound")
        return TimedOut(self.dependency.name)

    def pause(self, retry_after: float) -> float | None:
        """Seconds to wait before the next attempt; None if there is none. It is paid for from the budget."""
        if self.tried >= self.attempts:
            return None
        # Full jitter; Brooker, "Exponential Backoff And Jitter", 2015.
        most = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.tried - 1))
        seconds = retry_after + random.uniform(0, most)  # noqa: S311 - nobody must be surprised
        if perf_counter() + seconds >= self.deadline or not self.dependency.retries.spend():
            return None
        return seconds


class Attempt:
    """One attempt, which the breaker has permitted; it tells the breaker how it went, once."""

    def __init__(self, plan: Plan, token: str = "") -> None:
        """Raises CircuitOpen, Expired or TimedOut."""
        self.token = token
        self.dependency = dependency = plan.dependency
        self.begun = perf_counter()
        self.deadline = min(plan.deadline, self.begun + min(plan.left(), plan.attempt))
        self.permit = permitted(plan)
        plan.tried += 1
        self.slow = dependency.rules.slow or plan.attempt / 2
        self.patience = min(self.slow, plan.attempt)
        self.late = False

    def answered(self, status: int) -> None:
        """The reply has begun; how its body goes is told later, unless the status says it all."""
        seconds = perf_counter() - self.begun
        self.dependency.latencies.note(seconds)
        self.late = seconds > self.slow
        if status >= 500:
            self.settle(failed=True)

    def timed_out(self) -> None:
        """A failure, unless it was cut short: requests in a hurry must not shut off the service for all the others."""
        if perf_counter() - self.begun < self.patience:
            self.withdraw()
        else:
            self.settle(failed=True)

    def settle(self, *, failed: bool) -> None:
        if self.permit is not None:
            self.permit.settle(failed=failed or self.late)

    def withdraw(self) -> None:
        if self.permit is not None:
            self.permit.withdraw()


def permitted(plan: Plan) -> Permit | None:
    """The breaker's leave, where there is a breaker. Raises CircuitOpen."""
    if plan.breaker is None:
        return None
    permit = plan.breaker.admit()
    if permit is None:
        raise CircuitOpen(plan.dependency.name, retry_after=plan.breaker.pause())
    return permit


class Again(Exception):
    """An attempt that is followed by another, `seconds` later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"once more in {seconds:.3f} s")
        self.seconds = seconds


def pause_of(error: Exception) -> float | bool:
    """For stamina: how long to wait after this error, or False to let it through."""
    return error.seconds if isinstance(error, Again) else False


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 for none, and for what is neither."""
    if not value:
        return 0.0
    if value.isascii() and value.isdigit():
        return float(value[:9])
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return 0.0


def allowed() -> tuple[Network, ...]:
    """The networks of OUTBOUND_ALLOW."""
    return tuple(ip_network(one) for one in load(Settings).outbound_allow)


_dependencies: dict[str, Dependency] = {}


def named(name: str, rules: Rules) -> Dependency:
    """The one of this name, made when it is first asked for."""
    found = _dependencies.setdefault(name, Dependency(name, rules))
    if found.rules != rules:
        raise ValueError(f"there is a client {name} with other rules: give this one another name")
    return found


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily  # noqa: PLC0415

    state = GaugeMetricFamily("breaker_state", "0 closed, 1 half-open, 2 open.", labels=("name",))
    tokens = GaugeMetricFamily("retry_budget_tokens", "Retries that may be made now.", labels=("name",))
    waits = HistogramMetricFamily("bulkhead_wait_seconds", "How long calls waited for a place.", labels=("name",))
    hedges = CounterMetricFamily("hedges", "Calls that were made twice, by whether it helped.", labels=("name", "won"))
    calls = CounterMetricFamily("outbound_requests", "Calls, by how they ended.", labels=("name", "outcome"))
    for name, one in list(_dependencies.items()):
        state.add_metric((name,), one.breaker.state)
        tokens.add_metric((name,), one.retries.tokens)
        waits.add_metric((name,), one.waits.cumulative(), one.waits.total)
        for won in (False, True):
            hedges.add_metric((name, str(won).lower()), one.hedged[won])
        for outcome, count in list(one.outcomes.items()):
            calls.add_metric((name, outcome), count)
    yield from (state, tokens, waits, hedges, calls)
