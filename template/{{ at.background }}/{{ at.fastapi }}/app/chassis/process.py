"""The process of background loops in a FastAPI service: one event loop, as the database's connections want it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import ModuleType
from typing import Any

from app.chassis import lifecycle

_background = False


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """What `main()` returns, run in an event loop of its own."""
    global _background
    import uvloop  # noqa: PLC0415 - for this process alone

    _background = True
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def is_background() -> bool:
    """Whether this process has no requests to serve."""
    return _background


@asynccontextmanager
async def opened(parts: tuple[ModuleType, ...]) -> AsyncIterator[None]:
    async with lifecycle.opened(parts):
        yield


def beside(loops: Callable[[], AbstractAsyncContextManager[None]]) -> AbstractAsyncContextManager[None]:
    """The loops in the event loop that serves requests."""
    return loops()
