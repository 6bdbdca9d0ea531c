"""The database for an event loop: each call has a thread, for which nobody waits at the end of the process."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

from django.db import connections

from app.chassis import database

Given = ParamSpec("Given")
Result = TypeVar("Result")

IDLE_SECONDS: Final = 5.0
_idle: "deque[SimpleQueue[Callable[[], None]]]" = deque()
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
        hand_over(run)
    else:
        _given(run)
    return await future


def hand_over(run: Callable[[], None]) -> None:
    """To a thread that has just had work, and its connection still, else to a new one."""
    try:
        _idle.pop().put(run)
    except IndexError:
        threading.Thread(target=serve, args=(run,), name="job", daemon=True).start()


def serve(run: Callable[[], None] | None) -> None:
    """What it is given, until nothing comes for a while: a connection belongs to its thread, and ends with it."""
    given: SimpleQueue[Callable[[], None]] = SimpleQueue()
    try:
        while run is not None:
            database.renew_connection()
            run()
            database.renew_connection()
            _idle.append(given)
            run = following(given)
    finally:
        connections.close_all()


def following(given: "SimpleQueue[Callable[[], None]]") -> Callable[[], None] | None:
    try:
        return given.get(timeout=IDLE_SECONDS)
    except Empty:
        try:
            _idle.remove(given)
        except ValueError:
            # Somebody has chosen it in this moment.
            return given.get()
        return None


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
