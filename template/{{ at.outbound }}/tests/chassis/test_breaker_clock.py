"""The breaker knows nothing of the clock on the wall."""

import pytest

from app.chassis import breaker
from tests.chassis.jumping import Wall


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_jump_neither_closes_it_nor_keeps_it_open(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    wall = Wall(monkeypatch)
    module = wall.hung(breaker)
    opened = module.Breaker(module.Trip(calls=1, pause=60.0), jitter=lambda _low, _high: 1.0)
    opened.admit().settle(failed=True)
    wall.off = seconds
    assert opened.admit() is None
    assert 59 < opened.pause() <= 60
