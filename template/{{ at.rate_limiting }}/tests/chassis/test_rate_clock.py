"""Rates know nothing of the clock on the wall."""

import pytest

from app.chassis import gcra
from tests.chassis.jumping import Wall

LIMIT = gcra.Limit(requests=2, seconds=3600)
DAY = 86_400.0


@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_a_jump_neither_frees_nor_keeps_a_client(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    wall = Wall(monkeypatch)
    memory = wall.hung(gcra).Memory()
    assert [memory.take("ada", LIMIT).allowed for _ in range(3)] == [True, True, False]
    wall.off = seconds
    verdict = memory.take("ada", LIMIT)
    assert not verdict.allowed
    assert 1790 < verdict.wait <= 1800
    assert memory.take("grace", LIMIT).remaining == 1


def test_a_store_whose_clock_was_set_back_keeps_nobody_for_longer_than_the_window() -> None:
    """A Redis has a clock on the wall."""
    _, due = gcra.decide(LIMIT, 0.0, 20 * DAY)
    verdict, _ = gcra.decide(LIMIT, due, 19 * DAY)
    assert verdict.wait <= LIMIT.seconds
