"""How many requests may be inside at once, and whose: decided from how long they wait in queues, without I/O or clock.

Sources: queue wait as the signal, priorities by threshold and users that are told apart by a hash from DAGOR (Zhou et
al., "Overload Control for Scaling WeChat Microservices", 2018); a limit on what is inside, that is regulated, from
Netflix's concurrency-limits; a queue counts as one when it stands, from CoDel (RFC 8289); how far to go down, from
Little's law; the classes from the Google SRE book.
"""

import math
from itertools import accumulate
from typing import Final
from zlib import crc32

from app.chassis.exchange import Exchange

TICK_SECONDS: Final = 0.05
CLASSES: Final = 4
USERS: Final = 128
KEYS: Final = CLASSES * USERS
EVERYBODY: Final = KEYS - 1
"""The threshold that refuses nobody."""

START: Final = 16
"""The least limit of a time without queues: whatever begins then finds room while nothing is known of it."""
LEAST: Final = 4
"""Not less for a wait alone: with fewer, two that come together by chance would be too many at half of the load."""
RESERVE: Final = 8
"""What those above the cut get on top: with half of the capacity asked by them, one in 2 ** 8 finds it taken."""
OVERBOOK: Final = 2.0
"""How many times what gets through may pass the threshold: fewer would leave the limit unused by chance."""
WINDOW_TICKS: Final = 10
CALM_TICKS: Final = 40
PATIENCE: Final = 0.15
"""Seconds that a queue may stand before anybody is refused for it: chance makes some, and they go by themselves."""
SMOOTH: Final = 0.25
SHRINK: Final = 0.5
"""The least that is left of the limit after one tick."""
STEP: Final = 0.5
GROW: Final = 0.02
MOST_WAIT: Final = 10.0
DRIFT: Final = 1e-5
FORGET: Final = 0.98
"""How much of a limit that nobody needs is left after one tick."""

LIMIT: Final = "limit"
PRIORITY: Final = "priority"
WAIT: Final = "wait"
REASONS: Final = (LIMIT, PRIORITY, WAIT)


def user_hash(user: str, hour: int) -> int:
    """0 to 127, another one every hour: who is refused in this hour need not be in the next one."""
    # Multiplied by an odd number and cut off at the top: every bit counts, and all replicas say the same.
    return (crc32(user.encode()) * ((hour * 0x9E3779B1) | 1) & 0xFFFFFFFF) >> 25


class Admission:
    """`target` is how many seconds requests may wait in queues, `ceiling` how many may ever be inside.

    It may be entered and left by many threads at once: what must be exact is done by atomic operations of a set.
    """

    def __init__(self, *, target: float, ceiling: int) -> None:
        self.target = target
        self.ceiling = ceiling
        self.limit: float = min(START, ceiling)
        self.wait = 0.0
        self.threshold = EVERYBODY
        self.inside: set[Exchange] = set()
        self.shedding = False
        self.left = 0
        self._peak = 0
        self._previous: tuple[float, int] = (0.0, 0)
        self._rate = 0.0
        self.calm = True
        self._calm = CALM_TICKS
        self._over = 0.0
        self._reserved = False
        self._quiet = 0
        self._ticks = 0
        self._shortest = self._usual = math.inf
        self._entered = 0
        self._offered = [0] * KEYS

    def fits(self, request: Exchange) -> bool:
        """Let it in if there is room for everybody: what most requests cost."""
        if self.shedding:
            return False
        self.inside.add(request)
        count = len(self.inside)
        if count > self.limit:
            self.inside.discard(request)
            return False
        self._peak = max(self._peak, count)
        return True

    def enter(self, request: Exchange, key: int, *, queueing: bool) -> str:
        """Why it is refused, or nothing; `key` is criticality * 128 + hash, `queueing` whether requests wait now."""
        if self.shedding:
            self._offered[key] += 1
            if key > self.threshold:
                self._quiet = 0
                return PRIORITY
        self.inside.add(request)
        count = len(self.inside)
        if count > self.limit and not self._has_room(count, key, queueing=queueing):
            self.inside.discard(request)
            self.shedding = True
            self._quiet = 0
            return LIMIT
        self._peak = max(self._peak, count)
        self._entered += 1
        return ""

    def _has_room(self, count: int, key: int, *, queueing: bool) -> bool:
        if self._is_above(key) and count <= self.limit + RESERVE:
            self._reserved = True
            return True
        if not self.calm or queueing or self.wait > self.target or count > self.ceiling:
            return False
        # Nobody waits for anything: that so many were never inside before is no reason to refuse.
        self.limit = count
        return True

    def _is_above(self, key: int) -> bool:
        """Whether it is of a class above the cut: of the most critical one while nobody knows where to cut."""
        return key < USERS if self.threshold == EVERYBODY else key // USERS < self.threshold // USERS

    def leave(self, request: Exchange) -> bool:
        """For everyone who has entered, refused or not; whether it was inside."""
        if request not in self.inside:
            return False
        self.inside.discard(request)
        self.left += 1
        return True

    def note(self, queued: float) -> None:
        """How many seconds a proxy kept a request, by its own clock."""
        self._shortest = min(self._shortest, queued)

    # -- the controller ------------------------------------------------------------------------------------------------

    def tick(self, *, lag: float, waiting: int = 0, elapsed: float = TICK_SECONDS) -> None:
        """Every TICK_SECONDS, `elapsed` since the last one: for how long, in seconds, requests wait for their turn, and
        how many wait for something that is handed out, such as a connection.
        """
        lag = max(lag, self._before())
        self._rate += SMOOTH * (self.left / elapsed - self._rate)
        self.left = 0
        # A single long wait is a pause of something; a queue that stands is seen twice.
        (before, waited), self._previous = self._previous, (lag, waiting)
        # Little's law: as many wait as come while one of them waits.
        seconds = min(waiting / self._rate, MOST_WAIT) if self._rate * MOST_WAIT > 1 else MOST_WAIT * (waiting > 0)
        self.wait = max(lag, seconds)
        wanted = self._wanted(min(lag, before) if self.calm else (lag + before) / 2, min(waiting, waited))
        self._over = self._over + elapsed if wanted < self.limit else 0.0
        if self._over > (PATIENCE if self.calm else 0.0):
            self._calm = 0
            self.limit = wanted
        else:
            self._calm += 1
            self._grow()
        # Where those above the cut alone are too many, the others have no part in it.
        self.limit = max(self.limit, 1 - RESERVE if self._reserved else 1)
        self.calm = self._calm >= CALM_TICKS
        self._peak, self._reserved = len(self.inside), False
        self._ticks += 1
        self._quiet += 1
        if self.shedding and self._ticks % WINDOW_TICKS == 0:
            self._cut()

    def _before(self) -> float:
        """Seconds that requests wait before they are seen here: longer than they ever did, as clocks may differ."""
        shortest, self._shortest = self._shortest, math.inf
        if shortest is math.inf:
            return 0.0
        self._usual = min(self._usual + DRIFT, shortest)
        return shortest - self._usual

    def _wanted(self, lag: float, waiting: int) -> float:
        """The limit that keeps out what stands in the queues too much."""
        limit = self.limit
        least = limit * SHRINK if limit > 1 else limit - 1
        if lag > self.target:
            less = limit * self.target / lag if limit > 1 else least
            limit = min(limit, max(less, LEAST - RESERVE if self._reserved else LEAST))
        # How many may wait is known where it is known how many do; nothing that is served need go for it.
        if waiting > self.target * self._rate:
            limit = min(limit, self._peak - waiting + self.target * self._rate)
        return max(limit, least)

    def _grow(self) -> None:
        lag, waiting = self._previous
        if lag > self.target or waiting > self.target * self._rate / 2:
            return
        if self.calm:
            # Twice what is used, so that a burst finds room; what a burst once used is forgotten.
            self.limit = max(START, 2 * self._peak, self.limit * FORGET)
        elif self._peak * 2 >= self.limit:
            self.limit += max(STEP, self.limit * GROW)
        self.limit = min(self.limit, self.ceiling)

    def _cut(self) -> None:
        """Lower or raise the threshold, so that what passes it is a little more than what gets through."""
        if self._quiet > CALM_TICKS:
            self.shedding, self.threshold = False, EVERYBODY
        else:
            wanted = max(1, self._entered) * OVERBOOK
            passing = accumulate(self._offered)
            self.threshold = next((key for key, offered in enumerate(passing) if offered >= wanted), EVERYBODY)
        self._entered //= 2
        self._offered = [offered // 2 for offered in self._offered]
