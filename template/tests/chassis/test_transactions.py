"""Transactions that lose against others run again: as a whole, so many times, and only where that is safe."""

import pytest

from app.chassis import conflicts, database, settings
from app.chassis.exchange import Exchange, current
from tests.chassis.rivals import SYSTEM
from tests.chassis.rows import Rows, deadlocks
from tests.chassis.running import Service

RETRIES = 3


@pytest.fixture
def rows(production: Service) -> Rows:
    return Rows(production)


@pytest.fixture
def refusing(rows: Rows) -> Rows:
    if not rows.refuses:
        pytest.skip("MySQL has no snapshot isolation: it writes over what somebody has written since")
    return rows


def test_what_was_stale_is_read_again(refusing: Rows) -> None:
    before = refusing.retries("serialization")
    answer = refusing.post("stale", lost=2)
    assert (answer.status_code, answer.json()) == (200, 3)
    assert refusing.now() == ([3, 0], 3)
    assert refusing.retries("serialization") == before + 2


@pytest.mark.skipif(SYSTEM != "postgresql", reason="the others find out before they commit")
def test_a_commit_that_is_refused_is_no_end(rows: Rows) -> None:
    answer = rows.post("skew", lost=1)
    assert (answer.status_code, answer.json()) == (200, 2)
    assert rows.now() == ([1, 1], 2)


@deadlocks
def test_the_victim_of_a_deadlock_runs_again(rows: Rows) -> None:
    before = rows.retries("deadlock")
    assert rows.post("deadlock", lost=1).status_code == 200
    assert rows.now() == ([2, 2], 2)
    assert rows.retries("deadlock") == before + 1


def test_whoever_loses_again_and_again_gives_up(refusing: Rows) -> None:
    before = refusing.retries()
    answer = refusing.post("stale", lost=99)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert refusing.now() == ([1 + RETRIES, 0], 1 + RETRIES)
    assert refusing.retries() == before + RETRIES


def test_of_two_in_each_other_the_outer_one_runs_again(refusing: Rows) -> None:
    answer = refusing.post("nested", lost=2)
    assert (answer.status_code, answer.json()) == (200, 3)
    assert refusing.now() == ([3, 1], 3)


def test_a_transaction_that_somebody_else_has_begun_is_not_run_again(refusing: Rows) -> None:
    before = refusing.retries()
    assert refusing.post("within", lost=1).status_code == 503
    assert refusing.now() == ([1, 0], 1)
    assert refusing.retries() == before


@deadlocks
def test_a_lock_that_is_held_is_no_reason(rows: Rows) -> None:
    before = rows.retries()
    assert rows.post("held").status_code in {500, 503}
    assert rows.now()[1] == 1
    assert rows.retries() == before


@pytest.mark.parametrize("what", ["twice", "commits"])
def test_what_will_not_succeed_is_not_tried_again(rows: Rows, what: str) -> None:
    """A row that is there; a work that commits, what could not be done again, and is refused."""
    before = rows.retries()
    assert rows.post(what).status_code == 500
    assert rows.now() == ([0, 0], 1)
    assert rows.retries() == before


# -- when


def test_nobody_waits_beyond_the_deadline() -> None:
    exchange = Exchange("POST", "/", "")
    token = current.set(exchange)
    try:
        assert conflicts.pause("deadlock", 0, retries=1) is not None
        for left, waits in ((60, True), (0, False), (-1, False)):
            exchange.deadline = exchange.started + left
            assert (conflicts.pause("deadlock", 0, retries=1) is not None) is waits
    finally:
        current.reset(token)


def test_pauses_grow_to_a_limit_and_none_is_the_same() -> None:
    for attempt, most in ((0, 0.02), (3, 0.16), (10, 0.5)):
        pauses = [conflicts.pause("serialization", attempt, retries=99) or 0.0 for _ in range(200)]
        assert most / 2 < max(pauses) <= most
        assert min(pauses) < most / 2


@pytest.mark.parametrize(("reason", "attempt", "retries"), [("deadlock", 0, 0), ("deadlock", 3, 3), (None, 0, 3)])
def test_there_is_no_retry(reason: str | None, attempt: int, retries: int) -> None:
    assert conflicts.pause(reason, attempt, retries=retries) is None


@pytest.mark.parametrize("value", ["-1", "11", "1.5", "many"])
def test_a_wrong_number_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DATABASE_RETRIES", value)
    (line,) = settings.problems([database.Settings])
    assert line.startswith("DATABASE_RETRIES: ")
