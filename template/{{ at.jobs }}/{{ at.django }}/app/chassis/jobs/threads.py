"""The database for an event loop: a thread for each call, which nobody waits for at the end of the process."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from django.db import connections

Given = ParamSpec("Given")
Result = TypeVar("Result")

_given: Callable[[Callable[[], None]], None] | None = None


async def call(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """What it returns or raises. Whoever is cancelled meanwhile does not stop it: its thread goes on."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    context = copy_context()

    def tell(end: Callable[[Any], None], value: object) -> None:
        if not future.done():
            end(value)

    def run() -> None:
        try:
            told = partial(tell, future.set_result, context.run(work, *args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            told = partial(tell, future.set_exception, error)
        # Nobody waits any more once the loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told)

    if _given is None:
        threading.Thread(target=closing(run), name="job", daemon=True).start()
    else:
        _given(run)
    return await future


def closing(run: Callable[[], None]) -> Callable[[], None]:
    """A connection belongs to its thread, and this one ends."""

    def closed() -> None:
        try:
            run()
        finally:
            connections.close_all()

    return closed


def elsewhere(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Call it on a connection of its own: it is kept, whatever becomes of the caller's transaction."""
    return work(*args, **kwargs) if _given else asyncio.run(call(work, *args, **kwargs))


def run_here(main: Coroutine[Any, Any, Result]) -> Result:
    """For tests: what it returns, with all that it calls on this thread, in the transaction that has begun here."""
    global _given
    waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    _given = waiting.put
    try:
        with ThreadPoolExecutor(1) as loop:
            result = loop.submit(asyncio.run, main)
            result.add_done_callback(lambda _: waiting.put(None))
            while (one := waiting.get()) is not None:
                one()
            return result.result()
    finally:
        _given = None
