"""The algorithm, on a clock that only moves when it is told to."""

import pytest

from app.chassis.gcra import Limit, Memory

LIMIT = Limit(3, 6.0)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(clock, most=4)


def test_so_many_may_come_at_once_and_no_more(memory: Memory) -> None:
    verdicts = [memory.take("a", LIMIT) for _ in range(4)]
    assert [one.allowed for one in verdicts] == [True, True, True, False]
    assert [one.remaining for one in verdicts] == [2, 1, 0, 0]
    assert [one.full for one in verdicts] == pytest.approx([2, 4, 6, 6])
    assert verdicts[-1].wait == pytest.approx(2)


def test_one_more_after_the_time_that_was_said_and_not_before(memory: Memory, clock: Clock) -> None:
    while (refused := memory.take("a", LIMIT)).allowed:
        pass
    clock.now += refused.wait - 0.01
    assert not memory.take("a", LIMIT).allowed
    clock.now += 0.02
    assert memory.take("a", LIMIT).allowed
    assert not memory.take("a", LIMIT).allowed


def test_asking_in_vain_does_not_prolong_the_wait(memory: Memory, clock: Clock) -> None:
    for _ in range(100):
        memory.take("a", LIMIT)
    clock.now += 6
    assert memory.take("a", LIMIT).remaining == 2


def test_over_a_long_time_it_is_the_rate(memory: Memory, clock: Clock) -> None:
    allowed = 0
    for _ in range(6000):
        clock.now += 0.1
        allowed += memory.take("a", LIMIT).allowed
    # 600 seconds at one in two, and the three that may come at once.
    assert 300 <= allowed <= 303


def test_clients_do_not_share(memory: Memory) -> None:
    for _ in range(4):
        memory.take("a", LIMIT)
    assert memory.take("b", LIMIT).allowed


def test_a_clock_that_is_set_back_locks_nobody_out(memory: Memory, clock: Clock) -> None:
    for _ in range(4):
        memory.take("a", LIMIT)
    clock.now -= 10_000
    assert memory.take("a", LIMIT).wait <= LIMIT.seconds
    clock.now += 6.1
    assert memory.take("a", LIMIT).allowed


def test_who_has_used_up_nothing_is_forgotten(memory: Memory, clock: Clock) -> None:
    for key in "abcd":
        memory.take(key, LIMIT)
    clock.now += 7
    memory.take("e", LIMIT)
    assert set(memory.due) == {"e"}


def test_memory_is_bounded_when_all_are_busy(memory: Memory) -> None:
    for number in range(1000):
        memory.take(f"{number}", LIMIT)
    assert len(memory.due) <= 4
