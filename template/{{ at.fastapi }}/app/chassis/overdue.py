"""Cancels the work of requests whose time is over: one timer looks at all of them, and is set for the earliest."""

import asyncio
import math
from collections.abc import Awaitable
from time import perf_counter

from app.chassis.errors import expire
from app.chassis.exchange import Exchange

# How late a look may be: requests whose time ends together are cancelled together.
LATE_SECONDS = 0.005
# What a cancellation is when it comes out of the work: `asyncio.wait_for` may have made a timeout of it.
ENDED = (asyncio.CancelledError, TimeoutError)


class Watch:
    """The requests under way on an event loop. A timer for each would cost more than all else that a deadline does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.under_way: dict[Exchange, asyncio.Task[None]] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.next = math.inf

    def look_at(self, deadline: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.next = deadline
        self.timer = self.loop.call_later(deadline - perf_counter() + LATE_SECONDS, self.look)

    def look(self) -> None:
        """Cancel who is late; come back for the next one, and not at all while there is none."""
        self.timer, self.next = None, math.inf
        now, earliest = perf_counter(), math.inf
        for exchange, task in list(self.under_way.items()):
            # None once the reply has begun: what streams and what runs in the background may take its time.
            deadline = exchange.deadline
            if deadline is None:
                continue
            if deadline <= now:
                # It waits inside `in_time`, so that is where it is woken: the cancellation cannot hit what comes after.
                del self.under_way[exchange]
                task.cancel()
            else:
                earliest = min(earliest, deadline)
        if earliest < math.inf:
            self.look_at(earliest)


_watch: Watch | None = None


async def in_time(serving: Awaitable[None], exchange: Exchange, deadline: float) -> None:
    """Wait for the framework until the deadline. Raises Expired when it had to be cancelled then."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    watch = watch_of(task.get_loop())
    under_way = watch.under_way
    under_way[exchange] = task
    if deadline < watch.next:
        watch.look_at(deadline)
    try:
        await serving
    except ENDED:
        # A task that somebody else has cancelled too, a stopping server for one, stays cancelled.
        if exchange in under_way or task.cancelling() > 1:
            raise
        raise expire("work") from None
    finally:
        if under_way.pop(exchange, None) is None:
            task.uncancel()


def watch_of(loop: asyncio.AbstractEventLoop) -> Watch:
    global _watch
    watch = _watch
    if watch is None or watch.loop is not loop:
        watch = _watch = Watch(loop)
    return watch
