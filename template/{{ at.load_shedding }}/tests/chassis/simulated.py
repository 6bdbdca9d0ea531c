"""A service that is asked for too much, on a virtual clock: the same run every time, and no second of waiting."""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from app.chassis.admission import TICK_SECONDS, USERS, Admission, user_hash
from app.chassis.exchange import Exchange

Load = Callable[[float], float]
"""How many times the capacity is asked for at a moment."""
CRITICAL_PLUS, CRITICAL, SHEDDABLE = 0, 1, 3


class Run:
    """What came of it: who came and who was served, by class; seconds that those took; when and why who was refused."""

    def __init__(self, *, capacity: float, load: Load, critical: float, others: int, seconds: float) -> None:
        """`critical` is what the most critical class asks for, as a share of the capacity, which is per second;
        `others` is the class of everybody else.
        """
        self.others = others
        self.capacity, self.load, self.critical, self.seconds = capacity, load, critical, seconds
        self.admission = Admission(target=0.02, ceiling=1000)
        self.came: Counter[int] = Counter()
        self.served: Counter[int] = Counter()
        self.took: list[float] = []
        self.refused: list[tuple[float, str]] = []
        self.chance = random.Random(7)

    def arrivals(self) -> Iterator[float]:
        """A Poisson process."""
        now = 0.0
        while now < self.seconds:
            now += self.chance.expovariate(self.capacity * self.load(now))
            yield now

    def enter(self, now: float, *, queueing: bool) -> "Request | None":
        """One of 10,000 users."""
        is_critical = self.chance.random() * self.load(now) < self.critical
        request = Request(now, CRITICAL_PLUS if is_critical else self.others)
        self.came[request.criticality] += 1
        key = request.criticality * USERS + user_hash(str(self.chance.randrange(10_000)), 5)
        reason = self.admission.enter(request, key, queueing=queueing)
        if reason:
            self.refused.append((now, reason))
            return None
        return request

    def leave(self, now: float, request: "Request") -> None:
        self.admission.leave(request)
        self.served[request.criticality] += 1
        self.took.append(now - request.came)

    @property
    def goodput(self) -> float:
        """As a share of the capacity."""
        return self.served.total() / self.seconds / self.capacity

    @property
    def p99(self) -> float:
        return sorted(self.took)[len(self.took) * 99 // 100]

    def success(self, criticality: int) -> float:
        return self.served[criticality] / self.came[criticality]


class Request(Exchange):
    def __init__(self, came: float, criticality: int) -> None:
        super().__init__("GET", "/", "198.51.100.7")
        self.came = came
        self.criticality = criticality


def waiting(
    load: Load,
    *,
    places: int = 10,
    slower: Load = lambda _: 1.0,
    critical: float = 0.0,
    others: int = SHEDDABLE,
    seconds: float = 20.0,
) -> Run:
    """Requests that hold one of `places` connections for 0.1 s, times `slower`."""
    run = Run(capacity=places / 0.1, load=load, critical=critical, others=others, seconds=seconds)
    arrivals, line, order = run.arrivals(), deque[Request](), count()
    events: list[tuple[float, int, Callable[[float], None]]] = []
    free = places

    def at(moment: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (moment, next(order), what))

    def come(now: float) -> None:
        at(next(arrivals, seconds), come)
        request = run.enter(now, queueing=bool(line))
        if request is not None:
            line.append(request)
            begin(now)

    def begin(now: float) -> None:
        nonlocal free
        while free and line:
            free -= 1
            request = line.popleft()
            at(now + 0.1 * slower(now), partial(finish, request=request))

    def finish(now: float, request: Request) -> None:
        nonlocal free
        run.leave(now, request)
        free += 1
        begin(now)

    def tick(now: float) -> None:
        at(now + TICK_SECONDS, tick)
        run.admission.tick(lag=0.0, waiting=len(line))

    at(next(arrivals), come)
    at(TICK_SECONDS, tick)
    while events[0][0] < seconds:
        now, _, what = heapq.heappop(events)
        what(now)
    return run


def computing(load: Load, *, critical: float = 0.0, others: int = SHEDDABLE, seconds: float = 20.0) -> Run:
    """Requests that compute for 10 ms in an event loop; each that is refused costs it 0.1 ms.

    A turn of the loop serves those that the turn before has let in, then looks at those that have come meanwhile.
    """
    run = Run(capacity=100, load=load, critical=critical, others=others, seconds=seconds)
    arrivals, admitted, ticked, now = run.arrivals(), list[Request](), 0.0, 0.0
    comes = next(arrivals)
    while now < seconds:
        serving, admitted = admitted, []
        for request in serving:
            now += 0.01
            run.leave(now, request)
        until = now = now if serving else max(now, min(comes, ticked + TICK_SECONDS))
        if now >= ticked + TICK_SECONDS:
            run.admission.tick(lag=now - ticked - TICK_SECONDS, elapsed=now - ticked)
            ticked = now
        while comes <= until:
            came, comes = comes, next(arrivals, math.inf)
            late = now > ticked + TICK_SECONDS + run.admission.target
            entered = run.enter(came, queueing=late)
            now += 0.0001
            if entered is not None:
                admitted.append(entered)
    return run
