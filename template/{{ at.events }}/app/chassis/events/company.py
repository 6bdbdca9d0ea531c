"""First attempts that wait for a handler which lets them share a transaction."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic import BaseModel

from app.chassis import work
from app.chassis.events import figures, registry
from app.chassis.events.envelope import Envelope
from app.chassis.events.registry import Handler

BRISK_SECONDS: Final = 0.05
"""As long as a transaction takes less, more may share it: what it locks is locked until its end."""
log = structlog.get_logger()


class Apart(Exception):
    """An attempt in company came to nothing: nobody knows whose failure that was."""


@dataclass(slots=True, eq=False)
class Member:
    """An event at a handler; `done` says whether it had its effect now, and not before."""

    ident: str
    handler: Handler
    envelope: Envelope
    payload: BaseModel
    done: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def unit(self) -> AbstractContextManager[work.Work]:
        return work.unit("event", self.handler.name, self.envelope.carrier)


def member(handler: Handler, envelope: Envelope, ident: str) -> Member:
    """Raises Unusable."""
    return Member(ident, handler, envelope, registry.read(handler.event, envelope.version, envelope.data))


class Company:
    """Those that wait for one handler, in the order in which they came: one transaction after the other.

    With two at a time, each could wait for a row that the other has locked. `once` gives a transaction to one of them,
    `every` one to several and says whether each had its effect now.
    """

    def __init__(
        self,
        hands: asyncio.Semaphore,
        most: int,
        *,
        once: Callable[[Member], Awaitable[bool]],
        every: Callable[[list[Member]], Awaitable[bool]],
        begin: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.hands, self.most, self.once, self.every, self.begin = hands, most, once, every, begin
        self.waiting: deque[Member] = deque()
        self.size, self.at_work = 1, False

    async def attempt(self, mine: Member) -> bool:
        """Whether it had its effect now, and not before. Raises Apart, or what the handler raises."""
        self.waiting.append(mine)
        if not self.at_work:
            self.at_work = True
            self.begin(self.work())
        return await mine.done

    async def work(self) -> None:
        members: list[Member] = []
        try:
            while self.waiting:
                async with self.hands:
                    members = self.take()
                    await self.handle(members)
        finally:
            self.at_work = False
            # Whatever has ended it, nobody waits for good.
            for one in (*members, *self.waiting):
                one.done.cancel()
            self.waiting.clear()

    def take(self) -> list[Member]:
        """Those who came first, for one transaction: a power of two, so that there are few different statements."""
        count = 1 << (min(self.size, len(self.waiting)).bit_length() - 1)
        return [self.waiting.popleft() for _ in range(count)]

    async def handle(self, members: list[Member]) -> None:
        started, alone = time.monotonic(), len(members) == 1
        try:
            fresh = await (self.once(members[0]) if alone else self.every(members))
        except Exception as error:  # noqa: BLE001 - it is theirs
            self.fail(members, error if alone else Apart())
            if not alone:
                log.info("events.company_failed", members=len(members), reason=type(error).__name__)
            return
        if not fresh and not alone:
            self.fail(members, Apart())
            return
        for one in members:
            if not one.done.done():
                one.done.set_result(fresh)
        if not alone:
            figures.shared[members[0].envelope.type] += len(members)
        seconds = time.monotonic() - started
        brisk = seconds < BRISK_SECONDS
        self.size = min(self.size * 2, self.most) if brisk else max(int(len(members) * BRISK_SECONDS / seconds), 1)

    def fail(self, members: list[Member], error: Exception) -> None:
        # Where one fails, more may.
        self.size = 1
        for one in members:
            if not one.done.done():
                one.done.set_exception(error)
