"""Work is cancelled when its time is over, and nothing else is: one timer looks after all of it."""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest

from app.chassis import overdue
from app.chassis.edge import Edge
from app.chassis.errors import Expired
from app.chassis.exchange import Exchange

pytestmark = pytest.mark.beside("overdue")

# How much later than it should a test may see something on a busy machine; what is not cancelled takes far longer.
SLACK = 3.0


def serve(work: Awaitable[Any], *, seconds: float) -> Coroutine[Any, Any, None]:
    exchange = Exchange("GET", "/", "")
    exchange.deadline = exchange.started + seconds
    return overdue.in_time(work, exchange, exchange.deadline)


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def seconds_until_expired(seconds: float) -> float:
    started = perf_counter()
    with pytest.raises(Expired):
        await serve(asyncio.sleep(10), seconds=seconds)
    return perf_counter() - started


def test_each_of_many_is_cancelled_in_its_time() -> None:
    async def many() -> list[float]:
        return await asyncio.gather(*map(seconds_until_expired, budgets))

    # The earliest come last.
    budgets = [0.3 - 0.001 * number for number in range(200)]
    for budget, taken in zip(budgets, asyncio.run(many()), strict=True):
        assert budget <= taken < budget + SLACK


def test_who_comes_after_the_timer_was_set_for_later_does_not_wait_for_it() -> None:
    async def later_first() -> float:
        patient = asyncio.create_task(serve(asyncio.sleep(60), seconds=30))
        await asyncio.sleep(0)
        taken = await seconds_until_expired(0.1)
        patient.cancel()
        return taken

    assert 0.1 <= asyncio.run(later_first()) < 0.1 + SLACK


def test_what_ends_in_time_is_never_cancelled_later() -> None:
    async def in_a_row() -> None:
        for number in range(60):
            # Some end before the deadline, some after it, and some while they are being looked at.
            with suppress(Expired):
                await serve(asyncio.sleep(0.01 + number % 20 * 0.0005), seconds=0.01)
            assert cancellations() == 0
            await asyncio.sleep(0)
        with suppress(Expired):
            await serve(asyncio.sleep(0), seconds=0.02)
        await asyncio.sleep(0.1)
        assert cancellations() == 0

    asyncio.run(in_a_row())


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def hung_up() -> None:
        task = asyncio.create_task(serve(asyncio.sleep(60), seconds=30))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(hung_up())


def test_and_so_does_one_at_the_very_moment_of_the_deadline() -> None:
    async def both() -> None:
        task = asyncio.create_task(serve(asyncio.sleep(60), seconds=0))
        await asyncio.sleep(0)
        overdue.watch_of(asyncio.get_running_loop()).look()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(both())


@pytest.mark.parametrize(("hangs_up", "status", "expired"), [(True, 499, ""), (False, 504, "work")])
def test_the_edge_tells_a_client_that_hung_up_from_one_that_was_late(
    *, hangs_up: bool, status: int, expired: str
) -> None:
    async def asleep(*_asgi: Any) -> None:
        await asyncio.sleep(10)

    async def silence(*_message: Any) -> Any: ...

    async def one_request() -> None:
        parts: Any = (SimpleNamespace(enter=limit, leave=left.append),)
        edge = Edge(lambda: asleep, parts)
        edge.app = asleep
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "client": None, "headers": []}
        task = asyncio.create_task(edge(scope, silence, silence))
        await asyncio.sleep(0.01)
        if hangs_up:
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() == hangs_up

    def limit(exchange: Exchange) -> None:
        exchange.deadline = exchange.started + (30 if hangs_up else 0.1)

    left: list[Exchange] = []
    asyncio.run(one_request())
    (exchange,) = left
    assert (exchange.status, exchange.expired) == (status, expired)


def test_a_limit_within_the_work_is_the_work_s_own() -> None:
    async def limited(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await asyncio.sleep(60)

    async def nested() -> None:
        with pytest.raises(TimeoutError):
            await serve(limited(0.01), seconds=30)
        with pytest.raises(Expired):
            await serve(limited(30), seconds=0.01)
        assert cancellations() == 0

    asyncio.run(nested())


def test_work_that_will_not_be_cancelled_is_not_so_by_what_comes_after() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)

    async def then() -> None:
        await serve(stubborn(), seconds=0.01)
        assert cancellations() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)

    asyncio.run(then())


def test_a_reply_that_has_begun_is_left_alone() -> None:
    async def streaming() -> None:
        exchange = Exchange("GET", "/", "")
        exchange.deadline = exchange.started + 0.05

        async def stream() -> None:
            exchange.deadline = None
            await asyncio.sleep(0.15)

        beside = asyncio.create_task(seconds_until_expired(0.05))
        await overdue.in_time(stream(), exchange, exchange.deadline)
        assert await beside < 0.05 + SLACK

    asyncio.run(streaming())


def test_one_timer_does_for_all_and_none_while_nothing_is_under_way() -> None:
    async def busy_then_idle() -> None:
        watch = overdue.watch_of(asyncio.get_running_loop())
        await serve(asyncio.sleep(0), seconds=30)
        timer = watch.timer
        for _ in range(100):
            await serve(asyncio.sleep(0), seconds=30)
        assert watch.timer is timer
        # As it will be when that is over.
        watch.look()
        assert watch.timer is None
        assert not watch.under_way

    asyncio.run(busy_then_idle())
