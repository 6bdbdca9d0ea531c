"""Events: what a transaction has done is told to others when it is committed, and told to each of them once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final

from app.chassis import readiness
from app.chassis.events import figures, transport
from app.chassis.events.broker import Transport
from app.chassis.events.pauses import wait
from app.chassis.events.variables import Settings as Settings

if TYPE_CHECKING:
    from prometheus_client import Metric

LOOK_SECONDS: Final = 0.05


def check_routes() -> None:
    """Called when features are known. Raises ValueError or TypeError for events and handlers that cannot be meant."""
    from app.chassis.events import registry, store  # noqa: PLC0415 - the framework and the database, later than /livez

    registry.discover()
    registry.check(asynchronous=store.ASYNCHRONOUS)


def connect() -> AbstractAsyncContextManager[Transport]:
    """The broker: that of the operator, else one in this process."""
    if transport.given():
        return transport.connect()
    from app.chassis.events import memory  # noqa: PLC0415 - not in production

    return memory.connect()


def background() -> dict[str, Callable[[asyncio.Event], Awaitable[None]]]:
    return {"relay": relay, "consumer": consumer}


async def relay(stop: asyncio.Event) -> None:
    if await loaded(stop):
        from app.chassis.events import relaying  # noqa: PLC0415 - as above

        check_routes()
        await relaying.run(stop)


async def consumer(stop: asyncio.Event) -> None:
    if await loaded(stop):
        from app.chassis.events import consuming  # noqa: PLC0415 - as above

        check_routes()
        await consuming.run(stop)


async def loaded(stop: asyncio.Event) -> bool:
    """Whether to begin: inside the web process loops are there before its framework is."""
    while not (readiness.opened() or stop.is_set()):
        await wait(stop, LOOK_SECONDS)
    return not stop.is_set()


def check() -> Any:
    from app.chassis.events import store  # noqa: PLC0415 - as above

    return store.check()


def collect() -> Iterator["Metric"]:
    yield from figures.collect()
