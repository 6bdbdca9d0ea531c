"""A deadline knows nothing of the clock on the wall."""

import pytest

from app.chassis import exchange
from tests.chassis.jumping import Wall


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_jump_takes_no_time_and_gives_none(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    wall = Wall(monkeypatch)
    module = wall.hung(exchange)
    served = module.Exchange("GET", "/", "")
    served.deadline = served.started + 5
    module.current.set(served)
    wall.off = seconds
    assert 4 < module.remaining() <= 5
