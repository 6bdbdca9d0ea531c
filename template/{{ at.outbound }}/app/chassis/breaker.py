"""A circuit breaker: what would fail is not called, and a few probes find out when it would not; Nygard, Release It!"""

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic

Clock = Callable[[], float]


class State(IntEnum):
    """As the metric `breaker_state` shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Trip:
    """Opens when `share` of at least `calls` within `window` seconds have failed.

    It stays open for `pause` seconds, give or take half of it, so that not all processes come back at once; then
    `probes` calls are let through, and that many successes close it. A probe that nobody has heard of for `patience`
    seconds has failed.
    """

    window: int = 10
    calls: int = 20
    share: float = 0.5
    pause: float = 5.0
    probes: int = 3
    patience: float = 60.0


class Steady:
    """A clock that only goes forward, by what the given one does: a jump back takes no time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read = clock()
        self._elapsed = 0.0

    def __call__(self) -> float:
        read = self._clock()
        self._elapsed += max(0.0, read - self._read)
        self._read = read
        return self._elapsed


class Permit:
    """Leave to make one call: whoever got it says once how it went."""

    __slots__ = ("breaker", "episode", "since", "told")

    def __init__(self, breaker: "Breaker", episode: int, since: float) -> None:
        self.breaker = breaker
        self.episode = episode
        self.since = since
        self.told = False

    def settle(self, *, failed: bool) -> None:
        self.breaker.settle(self, failed=failed)

    def withdraw(self) -> None:
        """The call was not made, or ended for reasons of our own: it says nothing of the other side."""
        self.breaker.settle(self, failed=None)


class Breaker:
    """Safe for threads; `clock` is in seconds, `jitter` gives a number between two."""

    def __init__(
        self, trip: Trip, *, clock: Clock = monotonic, jitter: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.trip = trip
        self.state = State.CLOSED
        self._jitter = jitter
        self._now = Steady(clock)
        self._lock = threading.Lock()
        # What was admitted in an earlier state says nothing about this one.
        self._episode = 0
        self._seconds: deque[list[int]] = deque()
        self._reopens = 0.0
        self._probes: set[Permit] = set()
        self._succeeded = 0

    def admit(self) -> Permit | None:
        """Leave to call, or None while it is not worth while."""
        with self._lock:
            now = self._now()
            if self.state is State.OPEN and now >= self._reopens:
                self._become(State.HALF_OPEN)
            if self.state is State.HALF_OPEN and any(now - one.since > self.trip.patience for one in self._probes):
                self._open(now)
            if self.state is State.OPEN:
                return None
            permit = Permit(self, self._episode, now)
            if self.state is State.HALF_OPEN:
                if len(self._probes) + self._succeeded >= self.trip.probes:
                    return None
                self._probes.add(permit)
            return permit

    def settle(self, permit: Permit, *, failed: bool | None) -> None:
        with self._lock:
            if permit.told:
                return
            permit.told = True
            if permit.episode != self._episode:
                return
            now = self._now()
            if self.state is State.HALF_OPEN:
                self._hear(permit, now, failed=failed)
            elif failed is not None:
                self._count(int(now), failed=failed)
                if self._is_too_much():
                    self._open(now)

    def pause(self) -> float:
        """Seconds until it is worth while to ask again."""
        with self._lock:
            now = self._now()
            return max(0.0, self._reopens - now) if self.state is State.OPEN else 0.0

    @property
    def probing(self) -> int:
        """How many probes are on their way."""
        return len(self._probes)

    def _hear(self, permit: Permit, now: float, *, failed: bool | None) -> None:
        self._probes.discard(permit)
        if failed:
            self._open(now)
        elif failed is not None:
            self._succeeded += 1
            if self._succeeded >= self.trip.probes:
                self._become(State.CLOSED)

    def _count(self, second: int, *, failed: bool) -> None:
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += failed
        while self._seconds[0][0] <= second - self.trip.window:
            self._seconds.popleft()

    def _is_too_much(self) -> bool:
        calls = sum(one[1] for one in self._seconds)
        return calls >= self.trip.calls and sum(one[2] for one in self._seconds) >= self.trip.share * calls

    def _open(self, now: float) -> None:
        self._become(State.OPEN)
        self._reopens = now + self.trip.pause * self._jitter(0.5, 1.5)

    def _become(self, state: State) -> None:
        self.state = state
        self._episode += 1
        self._seconds.clear()
        self._probes.clear()
        self._succeeded = 0
