"""An open-loop load generator: `python -m chaos.generator PLAN HISTORY` sends what is due, whatever was answered.

A client that runs out of patience either hangs up or leaves the connection as it is, and reads the late reply some day.
"""

import asyncio
import gc
import json
import random
import resource
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos import arrivals, history
from chaos.arrivals import Phase
from chaos.history import BROKEN, TIMEOUT, UNSENT, Asked

MOST_CONNECTIONS = 7000
TICK = 0.005
# Users of their own address, as far as the service can tell: Linux has all of 127.0.0.0/8.
USERS = 200


@dataclass(frozen=True)
class Stream:
    """Requests of one kind; `headers` are raw lines, each ended by CR and LF."""

    name: str
    path: str
    phases: list[Phase]
    arrivals: str = "poisson"
    headers: str = ""


@dataclass(frozen=True)
class Plan:
    """`start` is a time of `time.monotonic`, which all processes of a machine share; `patience` is in seconds.

    A share of `hang_up` of the impatient close the connection.
    """

    port: int
    start: float
    streams: list[Stream]
    patience: float = 1.0
    hang_up: float = 0.5
    seed: int = 1

    def dump(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Plan":
        fields = json.loads(path.read_text())
        streams = [Stream(**one | {"phases": [Phase(**phase) for phase in one["phases"]]}) for one in fields.pop("streams")]
        return cls(streams=streams, **fields)

    def due(self) -> Iterator[tuple[float, Stream]]:
        """Everything that will be asked, in its order."""
        dice = random.Random(self.seed)  # noqa: S311 - the same load every time
        times = ((at, index) for index, one in enumerate(self.streams) for at in arrivals.KINDS[one.arrivals](one.phases, dice))
        return ((at, self.streams[index]) for at, index in sorted(times))


class Connection(asyncio.Protocol):
    """Carries one request at a time; knows of HTTP/1.1 what a service of ours says."""

    def __init__(self, generator: "Generator") -> None:
        self.generator = generator
        self.transport: Any = None
        self.asked: Asked | None = None
        self.busy = False
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.generator.connections.add(self)

    def ask(self, asked: Asked, request: bytes) -> None:
        self.asked, self.busy = asked, True
        asked.sent = self.generator.now()
        self.generator.carried[asked.id] = self
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        _, declared, rest = lower.partition(b"content-length:")
        if declared and len(body) < int(rest.split(b"\r\n", 1)[0]):
            return
        self.buffer, self.busy = b"", False
        if self.asked is not None:
            self.generator.answered(self.asked, int(head[9:12]))
            self.asked = None
        if b"connection: close" in lower or not declared:
            self.transport.close()
        else:
            self.generator.idle.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.generator.open -= 1
        self.generator.connections.discard(self)
        if self.asked is not None:
            self.generator.failed(self.asked, BROKEN)
            self.asked = None
        self.busy = True

    def give_up(self, *, hang_up: bool) -> None:
        self.asked = None
        if hang_up:
            self.transport.abort()


@dataclass
class Generator:
    plan: Plan
    history: list[Asked] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)
    waiting: deque[Asked] = field(default_factory=deque)
    carried: dict[int, Connection] = field(default_factory=dict)
    connecting: set[asyncio.Task[None]] = field(default_factory=set)
    connections: set[Connection] = field(default_factory=set)
    open: int = 0

    async def run(self) -> list[Asked]:
        self.loop = asyncio.get_running_loop()
        self.dice = random.Random(self.plan.seed + 1)  # noqa: S311
        requests = {one.name: self.request(one) for one in self.plan.streams}
        due = [(at, one.name) for at, one in self.plan.due()]
        for number, (at, name) in enumerate(due):
            while (early := at - self.now()) > 0:
                await asyncio.sleep(min(early, TICK))
                self.lose_patience()
            asked = Asked(number, name, at)
            self.history.append(asked)
            self.waiting.append(asked)
            self.send(asked, requests[name])
            if not number % 64:
                # When much is due at once, answers are read all the same.
                await asyncio.sleep(0)
                self.lose_patience()
        while self.waiting:
            await asyncio.sleep(TICK)
            self.lose_patience()
        await self.leave()
        return self.history

    async def leave(self) -> None:
        for connection in self.connections:
            connection.transport.abort()
        while self.connections or self.connecting:
            await asyncio.sleep(TICK)

    def now(self) -> float:
        return self.loop.time() - self.plan.start

    def request(self, stream: Stream) -> bytes:
        return f"GET {stream.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.plan.port}\r\n{stream.headers}\r\n".encode()

    def send(self, asked: Asked, request: bytes) -> None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.busy and not connection.transport.is_closing():
                connection.ask(asked, request)
                return
        if self.open >= MOST_CONNECTIONS:
            self.failed(asked, UNSENT)
            return
        self.open += 1
        task = self.loop.create_task(self.connect(asked, request))
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    async def connect(self, asked: Asked, request: bytes) -> None:
        user = f"127.0.{self.dice.randrange(USERS) + 1}.1"
        try:
            _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.plan.port, local_addr=(user, 0))
        except OSError:
            self.open -= 1
            self.failed(asked, BROKEN)
            return
        if asked.error is None:
            connection.ask(asked, request)
        else:
            self.idle.append(connection)

    def answered(self, asked: Asked, status: int) -> None:
        asked.answered, asked.status = self.now(), status
        self.carried.pop(asked.id, None)

    def failed(self, asked: Asked, error: str) -> None:
        asked.error = error
        self.carried.pop(asked.id, None)

    def lose_patience(self) -> None:
        late = self.now() - self.plan.patience
        while self.waiting and (self.waiting[0].status is not None or self.waiting[0].error or self.waiting[0].due < late):
            asked = self.waiting.popleft()
            if asked.status is None and asked.error is None:
                asked.error = TIMEOUT
                connection = self.carried.pop(asked.id, None)
                if connection is not None:
                    connection.give_up(hang_up=self.dice.random() < self.plan.hang_up)


def main(plan: str, out: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # A collection is a pause, and what is made here is not thrown away.
    gc.disable()
    history.write(Path(out), asyncio.run(Generator(Plan.load(Path(plan))).run()))


if __name__ == "__main__":
    main(*sys.argv[1:])
