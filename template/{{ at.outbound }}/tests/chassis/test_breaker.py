"""The circuit breaker: what it admits, against a plain account of the rule, on a clock that a test moves."""

import random
import threading

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.chassis.breaker import Breaker, Permit, State, Trip
from tests.chassis.examples import EXAMPLES

TRIP = Trip(window=10, calls=4, share=0.5, pause=5.0, probes=3, patience=30.0)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, trip: Trip = TRIP) -> Breaker:
    breaker = Breaker(trip, clock=clock, jitter=lambda low, high: (low + high) / 2)
    for _ in range(trip.calls):
        admitted(breaker).settle(failed=True)
    assert state_of(breaker) is State.OPEN
    return breaker


def state_of(breaker: Breaker) -> State:
    return breaker.state


def admitted(breaker: Breaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def test_failures_among_successes_open_it() -> None:
    breaker = Breaker(Trip(), clock=Clock())
    for number in range(20):
        admitted(breaker).settle(failed=number % 5 != 0)
    assert state_of(breaker) is State.OPEN


def test_fewer_than_half_do_not() -> None:
    breaker = Breaker(Trip(), clock=Clock())
    for number in range(1000):
        admitted(breaker).settle(failed=number % 2 == 1 and number > 3)
    assert state_of(breaker) is State.CLOSED


def test_what_was_ten_seconds_ago_is_forgotten() -> None:
    clock = Clock()
    breaker = Breaker(TRIP, clock=clock)
    for _ in range(3):
        admitted(breaker).settle(failed=True)
    clock.now += 10
    for _ in range(3):
        admitted(breaker).settle(failed=True)
    assert state_of(breaker) is State.CLOSED
    admitted(breaker).settle(failed=True)
    assert state_of(breaker) is State.OPEN


def test_so_many_successes_close_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.admit() is None
    assert breaker.pause() == 5.0
    clock.now += 5
    probes = [admitted(breaker) for _ in range(3)]
    assert breaker.admit() is None
    for probe in probes:
        assert state_of(breaker) is State.HALF_OPEN
        probe.settle(failed=False)
    assert state_of(breaker) is State.CLOSED


def test_a_probe_that_was_not_made_gives_its_place_to_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 5
    probes = [admitted(breaker) for _ in range(3)]
    probes[0].withdraw()
    admitted(breaker)
    assert breaker.admit() is None


def test_a_probe_that_nobody_hears_of_has_failed() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 5
    probes = [admitted(breaker) for _ in range(3)]
    clock.now += 31
    assert breaker.admit() is None
    assert state_of(breaker) is State.OPEN
    clock.now += 5
    assert breaker.admit() is not None
    # What the old ones say is too late.
    for probe in probes:
        probe.settle(failed=True)
    assert state_of(breaker) is State.HALF_OPEN


def test_it_reopens_at_different_times() -> None:
    pauses = set()
    for seed in range(20):
        breaker = Breaker(TRIP, clock=Clock(), jitter=random.Random(seed).uniform)
        for _ in range(4):
            admitted(breaker).settle(failed=True)
        pauses.add(breaker.pause())
    assert len(pauses) == 20
    assert all(2.5 <= pause <= 7.5 for pause in pauses)


def test_a_hundred_threads_get_three_probes() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 5
    together = threading.Barrier(100)
    permits: list[Permit | None] = []

    def ask() -> None:
        together.wait()
        permits.append(breaker.admit())

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(permit is not None for permit in permits) == 3


# Small enough for every state to be met again and again.
SMALL = Trip(window=3, calls=2, share=0.5, pause=1.0, probes=2, patience=10.0)


class Model(RuleBasedStateMachine):
    """Calls that begin and end in any order, on a clock that goes forth and back: the rule, counted the long way."""

    @initialize(jitter=st.sampled_from([0.5, 1.0, 1.5]))
    def begin(self, jitter: float) -> None:
        self.clock = Clock()
        self.elapsed = 0.0
        self.jitter = jitter
        self.breaker = Breaker(SMALL, clock=self.clock, jitter=lambda _low, _high: jitter)
        self.state = State.CLOSED
        self.flying: list[Permit] = []
        self.probes: list[tuple[Permit, float]] = []
        self.history: list[tuple[int, bool]] = []
        self.succeeded = 0
        self.opened = 0.0

    @rule(seconds=st.sampled_from([0.25, 1.0, 1.5, 3.0, 11.0]))
    def pass_time(self, seconds: float) -> None:
        before = self.clock.now
        self.clock.now += seconds
        self.elapsed += self.clock.now - before
        self.breaker.pause()

    @rule(seconds=st.sampled_from([0.25, 3.0, 1e9]))
    def jump_back(self, seconds: float) -> None:
        self.clock.now -= seconds
        self.breaker.pause()

    @rule()
    def ask(self) -> None:
        expected = self.would_admit()
        permit = self.breaker.admit()
        assert (permit is not None) == expected
        if permit is not None:
            self.flying.append(permit)
            if self.state is State.HALF_OPEN:
                self.probes.append((permit, self.elapsed))

    def would_admit(self) -> bool:
        if self.state is State.OPEN and self.elapsed >= self.opened + SMALL.pause * self.jitter:
            self.become(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            if any(self.elapsed - since > SMALL.patience for _, since in self.probes):
                self.become(State.OPEN)
                return False
            return len(self.probes) + self.succeeded < SMALL.probes
        return self.state is State.CLOSED

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), failed=st.sampled_from([True, True, False, False, None]), twice=st.booleans())
    def end(self, data: st.DataObject, failed: bool | None, twice: bool) -> None:
        permit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        for _ in range(1 + twice):
            if failed is None:
                permit.withdraw()
            else:
                permit.settle(failed=failed)
        if permit.episode == self.episode:
            self.hear(permit, failed=failed)

    def hear(self, permit: Permit, *, failed: bool | None) -> None:
        if self.state is State.HALF_OPEN:
            self.probes = [one for one in self.probes if one[0] is not permit]
            self.succeeded += failed is False
            if failed:
                self.become(State.OPEN)
            elif self.succeeded == SMALL.probes:
                self.become(State.CLOSED)
        elif failed is not None:
            self.history.append((int(self.elapsed), failed))
            recent = [bad for second, bad in self.history if second > int(self.elapsed) - SMALL.window]
            if len(recent) >= SMALL.calls and sum(recent) >= SMALL.share * len(recent):
                self.become(State.OPEN)

    episode = 0

    def become(self, state: State) -> None:
        self.state, self.episode = state, self.episode + 1
        self.probes, self.history, self.succeeded, self.opened = [], [], 0, self.elapsed

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "breaker"):
            assert self.breaker.state is self.state
            assert self.breaker.probing == len(self.probes) <= SMALL.probes


Model.TestCase.settings = EXAMPLES
TestModel = Model.TestCase
