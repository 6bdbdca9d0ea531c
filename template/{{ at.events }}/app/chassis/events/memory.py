"""A broker in this very process, for development and for tests: what it holds is gone with it."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count

from app.chassis.events.broker import Incoming, Outgoing, Receive


class Memory:
    """Events by type, each with whether it was delivered before; one group, as there is one service."""

    def __init__(self) -> None:
        self.waiting: defaultdict[str, deque[tuple[bytes, bool]]] = defaultdict(deque)
        self.unhandled: defaultdict[str, int] = defaultdict(int)
        self.news = asyncio.Condition()

    async def put(self, kind: str, body: bytes, *, again: bool = False) -> None:
        async with self.news:
            self.waiting[kind].append((body, again))
            self.news.notify_all()


class Connection:
    """A transport of its own for each that connects: what it has not acknowledged when it goes comes again."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.pump: asyncio.Task[None] | None = None
        self.open: dict[int, tuple[str, bytes]] = {}
        self.numbers = count()

    async def publish(self, event: Outgoing) -> None:
        self.memory.unhandled[event.type] += 1
        await self.memory.put(event.type, event.body)

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        self.pump = asyncio.create_task(self.deliver(tuple(types), receive))

    async def deliver(self, types: tuple[str, ...], receive: Receive) -> None:
        while True:
            async with self.memory.news:
                await self.memory.news.wait_for(lambda: any(self.memory.waiting[one] for one in types))
                kind = next(one for one in types if self.memory.waiting[one])
                body, again = self.memory.waiting[kind].popleft()
            await receive(self.incoming(kind, body, again=again))

    def incoming(self, kind: str, body: bytes, *, again: bool) -> Incoming:
        number = next(self.numbers)
        self.open[number] = (kind, body)

        async def ack() -> None:
            if self.open.pop(number, None) is not None:
                self.memory.unhandled[kind] -= 1

        return Incoming(body, again, ack)

    async def unsubscribe(self) -> None:
        if self.pump is not None:
            self.pump.cancel()
            self.pump = None

    async def lag(self) -> dict[str, int]:
        return dict(self.memory.unhandled)

    async def give_back(self) -> None:
        for kind, body in self.open.values():
            await self.memory.put(kind, body, again=True)
        self.open.clear()


_memory: tuple[asyncio.AbstractEventLoop, Memory] | None = None


@asynccontextmanager
async def connect() -> AsyncIterator[Connection]:
    connection = Connection(_shared())
    try:
        yield connection
    finally:
        await connection.unsubscribe()
        await connection.give_back()


def _shared() -> Memory:
    """One for every loop that runs: its conditions belong to that."""
    global _memory
    loop = asyncio.get_running_loop()
    if _memory is None or _memory[0] is not loop:
        _memory = (loop, Memory())
    return _memory[1]
