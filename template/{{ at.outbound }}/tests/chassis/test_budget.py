"""Budgets, bulkheads and latencies: what they promise, whatever the order of things."""

import threading
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.chassis.budget import Budget
from app.chassis.bulkhead import Bulkhead, Place
from app.chassis.latencies import Latencies
from tests.chassis.examples import EXAMPLES


def test_a_thousand_calls_that_all_fail_get_a_hundred_more() -> None:
    budget = Budget(0.1)
    extra = 0
    for _ in range(1000):
        budget.earn()
        extra += budget.spend() + budget.spend()
    assert extra == 100


def test_the_first_call_may_be_repeated_once() -> None:
    budget = Budget(0.1)
    budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_a_good_time_earns_no_more_than_ten() -> None:
    budget = Budget(0.1)
    for _ in range(10_000):
        budget.earn()
    assert budget.tokens == 10
    assert sum(budget.spend() for _ in range(100)) == 10


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([0.05, 0.1, 0.5]))
@EXAMPLES
def test_extra_calls_are_a_share_of_the_calls(steps: list[bool], share: float) -> None:
    budget = Budget(share)
    exact, earned, spent = Fraction(str(share)), [0], [0]
    for is_call in steps:
        if is_call:
            budget.earn()
        earned.append(earned[-1] + is_call)
        spent.append(spent[-1] + (not is_call and budget.spend()))
        assert spent[-1] <= 1 or spent[-1] <= exact * earned[-1]
        assert 0 <= budget.tokens <= 10
    for start in range(0, len(earned), 7):
        assert spent[-1] - spent[start] <= 10 + exact * (earned[-1] - earned[start])


def test_threads_do_not_overspend() -> None:
    budget = Budget(0.1)
    spent: list[bool] = []

    def work() -> None:
        for _ in range(500):
            budget.earn()
            spent.append(budget.spend())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(spent) <= 400


class Waiting(RuleBasedStateMachine):
    """Calls come, go and give up in any order."""

    @initialize(most=st.integers(1, 4), waiting=st.integers(0, 4))
    def begin(self, most: int, waiting: int) -> None:
        self.bulkhead = Bulkhead(most, waiting=waiting)
        self.inside: list[Place] = []
        self.queue: list[Place] = []
        self.woken: list[int] = []

    @rule()
    def come(self) -> None:
        number = len(self.inside) + len(self.queue)
        place = self.bulkhead.enter(lambda: self.woken.append(1))
        assert (place is None) == (number >= self.bulkhead.most + self.bulkhead.waiting)
        if place is not None:
            (self.inside if place.held else self.queue).append(place)

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), twice=st.booleans())
    def go(self, data: st.DataObject, twice: bool) -> None:
        place = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        self.woken.clear()
        for _ in range(1 + twice):
            self.bulkhead.leave(place)
        assert len(self.woken) == bool(self.queue)
        if self.queue:
            heir = self.queue.pop(0)
            assert heir.held
            self.inside.append(heir)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self.bulkhead.leave(self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1))))

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "bulkhead"):
            assert self.bulkhead.running == len(self.inside) <= self.bulkhead.most
            assert self.bulkhead.queued == len(self.queue) <= self.bulkhead.waiting
            assert not (self.queue and self.bulkhead.running < self.bulkhead.most)


Waiting.TestCase.settings = EXAMPLES
TestWaiting = Waiting.TestCase


@given(st.lists(st.floats(-1e9, 1e9), max_size=600))
@EXAMPLES
def test_p95_is_one_of_the_latest(seconds: list[float]) -> None:
    latencies = Latencies()
    for one in seconds:
        latencies.note(one)
    if len(seconds) < 20:
        assert latencies.p95 is None
    else:
        recent = [max(0.0, one) for one in seconds[-220:]]
        assert latencies.p95 in recent


def test_five_of_a_hundred_are_later() -> None:
    latencies = Latencies()
    for number in range(200):
        latencies.note((number * 37 % 200) / 100)
    assert latencies.p95 == 1.9
