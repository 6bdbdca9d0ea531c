"""The process of background loops in a Django service: an event loop, whose work with the database is in threads."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any

from app.chassis import lifecycle

_background = False


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """What `main()` returns, run in an event loop of its own."""
    global _background
    import django  # noqa: PLC0415 - for this process alone

    _background = True
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup(set_prefix=False)
    return asyncio.run(main())


def is_background() -> bool:
    """Whether this process has no requests to serve."""
    return _background


@asynccontextmanager
async def opened(parts: tuple[ModuleType, ...]) -> AsyncIterator[None]:
    await asyncio.to_thread(lifecycle.run, parts, lambda: None)
    try:
        yield
    finally:
        await asyncio.to_thread(lifecycle.close)


@contextmanager
def beside(loops: Callable[[], AbstractAsyncContextManager[None]]) -> Iterator[None]:
    """The loops in a thread beside those that serve requests."""
    stop = asyncio.Event()
    running = asyncio.new_event_loop()

    async def until_stopped() -> None:
        async with loops():
            await stop.wait()

    thread = threading.Thread(target=running.run_until_complete, args=(until_stopped(),), name="background")
    thread.start()
    try:
        yield
    finally:
        running.call_soon_threadsafe(stop.set)
        thread.join()
        running.close()
