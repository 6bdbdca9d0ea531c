"""Admission: who is let in, and what the controller makes of the wait."""

from collections.abc import Callable

import pytest

from app.chassis.admission import EVERYBODY, LEAST, LIMIT, PRIORITY, RESERVE, START, USERS, Admission, user_hash
from app.chassis.exchange import Exchange
from tests.chassis.simulated import CRITICAL, CRITICAL_PLUS, SHEDDABLE, Run, computing, waiting

Simulated = Callable[..., Run]
LOWEST = SHEDDABLE * USERS


def somebody() -> Exchange:
    return Exchange("GET", "/", "198.51.100.7")


def admission(*, ceiling: int = 1000) -> Admission:
    return Admission(target=0.02, ceiling=ceiling)


def fill(one: Admission, *, key: int = LOWEST) -> int:
    """How many with this key there is room for, while requests wait."""
    entered = 0
    while not one.enter(somebody(), key, queueing=True):
        entered += 1
    return entered


# -- under load, on a virtual clock ------------------------------------------------------------------------------------


def test_what_waits_for_connections_keeps_all_of_them_busy() -> None:
    run = waiting(lambda _: 10)
    assert run.goodput > 0.95
    assert run.p99 < 0.2


def test_a_hundred_connections_are_all_used() -> None:
    run = waiting(lambda _: 10, places=100, seconds=4)
    assert run.goodput > 0.95
    assert run.p99 < 0.25


def test_one_connection_is_enough() -> None:
    assert waiting(lambda _: 10, places=1).goodput > 0.8


def test_what_computes_is_served_in_time() -> None:
    run = computing(lambda _: 10)
    assert run.goodput > 0.85
    assert sorted(run.took[200:])[-20] < 0.25


@pytest.mark.parametrize("simulated", [waiting, computing])
def test_the_most_critical_are_served(simulated: Simulated) -> None:
    run = simulated(lambda _: 10, critical=0.5)
    assert run.success(CRITICAL_PLUS) > 0.95
    assert 0.02 < run.success(SHEDDABLE) < 0.1


@pytest.mark.parametrize("others", [CRITICAL, SHEDDABLE])
@pytest.mark.parametrize("simulated", [waiting, computing])
def test_and_so_they_are_when_it_has_just_begun(simulated: Simulated, others: int) -> None:
    # Before anybody knows where to cut.
    run = simulated(lambda now: 0.5 if now < 5 else 10, critical=0.4, others=others, seconds=7)
    assert run.success(CRITICAL_PLUS) > 0.95


@pytest.mark.parametrize("simulated", [waiting, computing])
def test_nobody_is_refused_at_half_the_load(simulated: Simulated) -> None:
    assert simulated(lambda _: 0.5, seconds=60).refused == []


def test_a_slower_dependency_gets_what_it_can_do() -> None:
    run = waiting(lambda _: 0.8, slower=lambda now: 3.0 if now > 5 else 1.0)
    # Five seconds of all that was asked for, then a third of the capacity.
    assert run.goodput > 0.95 * (5 * 0.8 + 15 / 3) / 20


@pytest.mark.parametrize("simulated", [waiting, computing])
def test_it_is_itself_again_within_seconds(simulated: Simulated) -> None:
    run = simulated(lambda now: 10 if now < 10 else 0.5, seconds=30)
    assert run.refused
    assert max(now for now, _ in run.refused) < 14


def test_most_are_refused_by_their_priority() -> None:
    # Users are told apart: the same ones are refused, before they ask for a place.
    run = waiting(lambda _: 10)
    reasons = [reason for _, reason in run.refused]
    assert reasons.count(PRIORITY) > 0.7 * len(reasons)


# -- who is let in -----------------------------------------------------------------------------------------------------


def test_there_is_room_for_everybody_while_nothing_waits() -> None:
    one = admission()
    for _ in range(1000):
        assert one.enter(somebody(), LOWEST, queueing=False) == ""
    assert one.enter(somebody(), LOWEST, queueing=False) == LIMIT


def test_no_more_than_the_limit_when_requests_wait() -> None:
    assert fill(admission()) == START


def test_the_ceiling_is_one_for_a_beginning_too() -> None:
    assert fill(admission(ceiling=1)) == 1


@pytest.mark.parametrize(("threshold", "above"), [(EVERYBODY, USERS), (LOWEST, LOWEST), (LOWEST - 1, 2 * USERS)])
def test_who_stands_above_the_cut_gets_the_reserve(threshold: int, above: int) -> None:
    one = admission()
    assert fill(one, key=LOWEST) == START
    one.threshold = threshold
    assert fill(one, key=above) == 0
    assert fill(one, key=above - 1) == RESERVE


def test_who_leaves_makes_room() -> None:
    one, guest = admission(ceiling=1), somebody()
    assert one.enter(guest, LOWEST, queueing=True) == ""
    assert one.enter(somebody(), LOWEST, queueing=True) == LIMIT
    assert one.leave(guest)
    assert one.enter(somebody(), LOWEST, queueing=True) == ""


def test_who_was_refused_leaves_nothing() -> None:
    one, refused = admission(ceiling=1), somebody()
    assert one.fits(somebody())
    assert not one.fits(refused)
    assert one.enter(refused, LOWEST, queueing=True) == LIMIT
    assert not one.leave(refused)
    assert len(one.inside) == 1


# -- the controller ----------------------------------------------------------------------------------------------------


def test_one_long_wait_is_no_queue() -> None:
    one = admission()
    for lag in (0.0, 3600.0, 0.0, 0.0, 1.0, 0.0):
        one.tick(lag=lag, elapsed=0.05 + lag)
    assert one.limit == START


def test_a_queue_that_stands_takes_the_limit_down_and_never_to_nothing() -> None:
    one = admission()
    for _ in range(20):
        one.tick(lag=0.5, elapsed=0.55)
    assert one.limit == LEAST
    assert fill(one) == LEAST


def test_who_waits_for_what_never_comes_is_kept_out() -> None:
    one = admission()
    fill(one)
    for _ in range(20):
        one.tick(lag=0.0, waiting=6)
    assert one.limit == START - 6
    assert one.wait == 10


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    one = admission()
    for _ in range(1000):
        one.tick(lag=0.0)
    assert one.limit == START


def test_the_clock_of_a_proxy_may_be_wrong() -> None:
    one = admission()
    for _ in range(200):
        one.note(3.0)
        one.tick(lag=0.0)
    assert (one.limit, one.wait) == (START, 0.0)


def test_what_a_proxy_has_to_keep_is_a_queue() -> None:
    one = admission()
    for seconds in [3.0] * 20 + [3.5] * 20:
        one.note(seconds)
        one.tick(lag=0.0)
    assert one.wait == pytest.approx(0.5, abs=0.01)
    assert one.limit == LEAST


# -- users -------------------------------------------------------------------------------------------------------------


def test_users_are_spread_and_another_hour_spreads_them_anew() -> None:
    users = [f"198.51.100.{number}" for number in range(250)]
    now, later = ([user_hash(user, hour) for user in users] for hour in (497_000, 497_001))
    assert len(set(now)) > 90
    assert {hashed for hashed in now + later if not 0 <= hashed < USERS} == set()
    assert sum(one == other for one, other in zip(now, later, strict=True)) < 15
    first = {user for user, hashed in zip(users, now, strict=True) if hashed < 32}
    still = {user for user, hashed in zip(users, later, strict=True) if hashed < 32}
    assert len(first & still) < len(first) / 2


@pytest.mark.parametrize("user", ["", "ada", "Ünï🙂", "x" * 10_000])
def test_anybody_has_a_hash(user: str) -> None:
    assert 0 <= user_hash(user, 497_000) < USERS


def test_the_threshold_begins_with_everybody() -> None:
    assert admission().threshold == EVERYBODY
