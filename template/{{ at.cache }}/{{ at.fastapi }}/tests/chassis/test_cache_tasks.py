"""A task that gives up takes the load from nobody who waits for it, too."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.cacheable import Cacheable, Terms
from app.chassis.caching.engine import Engine
from app.chassis.caching.options import Settings
from app.chassis.exchange import Exchange, current


async def loaded(_session: AsyncSession, *, owner: str) -> str:
    return owner


WHAT = Cacheable(loaded, Terms(group="tasks", ttl=60), first=1)


def test_whoever_gives_up_takes_the_load_from_nobody() -> None:
    asyncio.run(first_gives_up())


async def first_gives_up() -> None:
    engine, go, loads = Engine(Settings(cache_url="")), asyncio.Event(), 0

    async def load() -> str:
        nonlocal loads
        loads += 1
        await go.wait()
        return "value"

    first, second = (asyncio.create_task(engine.read(WHAT, "key", load)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    go.set()
    assert await second == "value"
    assert first.cancelled()
    assert loads == 1
    await engine.close()


def test_a_load_has_nothing_of_the_request_but_its_ids() -> None:
    asyncio.run(seen_from_a_load())


async def seen_from_a_load() -> None:
    engine, request = Engine(Settings(cache_url="")), Exchange("GET", "/", "203.0.113.1")
    request.subject, request.request_id, request.deadline = "ada", "the-first", 1.0
    seen: list[Exchange | None] = []

    async def load() -> str:
        seen.append(current.get())
        return "value"

    token = current.set(request)
    await engine.read(WHAT, "key", load)
    assert current.get() is request
    current.reset(token)
    (inside,) = seen
    assert inside is not None
    assert (inside.request_id, inside.subject, inside.principal, inside.deadline) == ("the-first", "", None, None)
    await engine.close()
