"""Writes that an event or a job follows, while everything that carries it is killed: does each have its effect, once?"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from secrets import token_hex

from load import status

from chaos import effects
from chaos.effects import Verdict
from chaos.herd import WEB, Edit, Herd
from chaos.kills import post
from chaos.proxy import Proxy

ATTEMPT_SECONDS = 5.0
THINK_SECONDS = 0.1
READY_SECONDS = 60
FINISH_SECONDS = 90
# Nothing has changed for so long, and nothing waits: what was not acknowledged comes again before.
QUIET_SECONDS, LOST_SECONDS = 2.5, 12.0
# Long enough for others to take over what a sleeper has, and to be at it when it wakes up.
PAUSE_SECONDS = 3.5
PAUSED = "pauses"
MOST_WAITING = 80
# While PostgreSQL begins anew.
UNKNOWN = (-1, 0, 0)
# The share of resets that the connections to the broker get.
BROKER = 0.7
TABLES = "DROP TABLE IF EXISTS chaos_writes, chaos_effects; CREATE TABLE chaos_writes (name text); CREATE TABLE chaos_effects (name text)"


@dataclass(frozen=True)
class Kind:
    """What follows a write. `doors` are its ways: the first is the service's own, the others, named `ways`, do without what it offers.

    `waits` is SQL for how many are under way, `guard` what keeps effects from happening twice, as edits that remove it.
    """

    name: str
    loops: tuple[str, ...]
    doors: tuple[str, ...]
    ways: str
    waits: str
    guard: dict[str, list[Edit]]
    without: str


# The row is made, as it is looked for before the commit, but nobody asks whether it was there. Those that share a transaction:
IN_COMPANY: Edit = ("app.chassis.events.store", "< len(members):", "< 0:")
EVENTS = Kind(
    "events",
    ("relay", "relay", "consumer", "consumer"),
    ("outbox", "after", "before"),
    "published without an outbox",
    "SELECT count(*) FROM chassis_outbox",
    {
        "fastapi": [
            (
                "app.chassis.events.store",
                'fresh = await _insert_new(connection, "chassis_inbox", id=ident, handled_at=datetime.now(UTC))',
                'fresh = await _insert_new(connection, "chassis_inbox", id=ident, handled_at=datetime.now(UTC)) or True',
            ),
            IN_COMPANY,
        ],
        "django": [
            (
                "app.chassis.events.store",
                "fresh = _insert_new(Handled, id=ident, handled_at=datetime.now(UTC))",
                "fresh = _insert_new(Handled, id=ident, handled_at=datetime.now(UTC)) or True",
            ),
            IN_COMPANY,
        ],
    },
    "no inbox",
)
JOBS = Kind(
    "jobs",
    ("worker", "worker"),
    ("within", "after", "before"),
    "enqueued in a transaction of its own",
    "SELECT count(*) FROM chassis_jobs WHERE state IN ('queued', 'running')",
    {
        "fastapi": [
            (
                "app.chassis.jobs.store",
                "its = (JOBS.c.id == one.id, JOBS.c.state == rows.RUNNING, JOBS.c.attempts == one.number)",
                "its = (JOBS.c.id == one.id,)",
            )
        ],
        "django": [
            (
                "app.chassis.jobs.store",
                "Job.objects.filter(id=one.id, state=rows.RUNNING, attempts=one.number)",
                "Job.objects.filter(id=one.id)",
            )
        ],
    },
    "no fencing",
)


@dataclass(frozen=True)
class Amount:
    """How often within about so many seconds; of `backends` a few are killed, which restarts PostgreSQL.

    `resets` are of connections, to the broker where there is one and to the database; `pauses` are no kills.
    """

    seconds: float
    processes: int
    resets: int
    backends: int
    crashes: int
    pauses: int

    @property
    def total(self) -> int:
        return self.processes + self.resets + self.backends


FULL = Amount(seconds=150, processes=300, resets=450, backends=260, crashes=3, pauses=20)
SHORT = Amount(seconds=6, processes=12, resets=16, backends=8, crashes=0, pauses=1)
# What breaks connections keeps sleepers from doing anything twice, and without it RabbitMQ delivers nothing twice.
UNGUARDED = Amount(seconds=20, processes=10, resets=40, backends=0, crashes=0, pauses=5)
SHORT_UNGUARDED = Amount(seconds=7, processes=2, resets=10, backends=0, crashes=0, pauses=2)


@dataclass
class Outcome:
    """Verdicts by door; `waiting` is what was still under way when nobody waited any longer, `settled` the seconds until then."""

    verdicts: dict[str, Verdict]
    events: Counter[str]
    writes: int
    waiting: int
    seconds: float
    settled: float

    @property
    def kills(self) -> int:
        return self.events.total() - self.events[PAUSED]

    def __str__(self) -> str:
        events = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        verdicts = "; ".join(f"{door}: {verdict}" for door, verdict in self.verdicts.items())
        return f"{self.writes} writes, {self.seconds:.0f} s and {self.settled:.0f} s afterwards; {events}; {verdicts}"


def run(herd: Herd, kind: Kind, amount: Amount, *, guarded: bool = True, seed: int = 1) -> Outcome:
    """Without its guard, what is delivered twice has two effects."""
    edits = () if guarded else kind.guard[herd.service.framework]
    return asyncio.run(Run(herd, kind, amount, edits, random.Random(seed)).run())  # noqa: S311 - the same dice every time


@dataclass
class Run:
    herd: Herd
    kind: Kind
    amount: Amount
    edits: Sequence[Edit]
    dice: random.Random
    events: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    breaking: bool = True
    backlog: int = 0
    # When the last sleeper wakes up.
    awake: float = 0.0
    token: str = field(default_factory=lambda: token_hex(3))

    def __post_init__(self) -> None:
        self.turns = cycle(self.herd.processes)
        # Those who do what was asked for, and then those who carry it.
        self.sleepers = cycle([one for one in reversed(self.herd.processes) if one.name != WEB])

    async def run(self) -> Outcome:
        started = time.monotonic()
        await self.ask(TABLES)
        async with AsyncExitStack() as stack:
            await self.connect(stack)
            self.herd.begin(self.edits)
            stack.callback(self.herd.kill)
            await self.until_ready()
            upkeep = [asyncio.create_task(self.tend()), asyncio.create_task(self.look())]
            clients = [asyncio.create_task(self.client(door)) for door in self.callers()]
            await asyncio.gather(*self.breakers())
            self.breaking = False
            broken = time.monotonic()
            await asyncio.gather(*clients)
            waiting = await self.settle()
            for task in upkeep:
                task.cancel()
        written, found = await self.names("chaos_writes"), await self.names("chaos_effects")
        verdicts = {door: effects.follow(of(door, written), of(door, found), of(door, self.acknowledged)) for door in self.kind.doors}
        return Outcome(verdicts, self.events, len(written), waiting, broken - started, time.monotonic() - broken)

    async def connect(self, stack: AsyncExitStack) -> None:
        """The proxies, at the ports that the processes know."""
        behind = Proxy(self.herd.service.postgresql.port)
        behind.port = self.herd.database
        self.proxies = {"database": behind}
        if self.herd.broker:
            broker = Proxy(self.herd.broker.port, host=self.herd.broker.host)
            broker.port = self.herd.broker.behind
            self.proxies["broker"] = broker
        for proxy in self.proxies.values():
            await stack.enter_async_context(proxy)

    async def until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while await asyncio.to_thread(status, self.herd.port, "/readyz") != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.herd.service.folder.name} did not become ready:\n{self.herd.log.read_text()[-3000:]}")
            await asyncio.sleep(0.05)

    async def tend(self) -> None:
        """As an orchestrator does."""
        while True:
            await asyncio.sleep(0.05)
            self.herd.tend()

    async def look(self) -> None:
        """A backlog that grows would hide what is done twice behind what is not done yet."""
        while True:
            waiting, missing, _ = await self.standing()
            self.backlog = waiting + missing
            await asyncio.sleep(0.3)

    # -- clients --

    def callers(self) -> list[str]:
        """Doors of clients; who does without the service's own way is there to be found out."""
        own, *others = self.kind.doors
        return [own] * 6 + (others * 3 if not self.edits else [])

    async def client(self, door: str) -> None:
        """Each write is sent once: whether it was done is what the database says."""
        while self.breaking:
            if self.backlog > MOST_WAITING:
                await asyncio.sleep(THINK_SECONDS)
                continue
            name = f"{self.dice.randrange(16**8):08x}-{door}-{self.token}"
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    answer, *_ = await post(self.herd.port, f"/chaos/{self.kind.name}/{door}/{name}")
                if answer < 300:
                    self.acknowledged.add(name)
            await asyncio.sleep(self.dice.random() * 2 * THINK_SECONDS)

    # -- what breaks --

    def breakers(self) -> list[Awaitable[None]]:
        amount = self.amount
        return [
            self.often(amount.processes, self.kill_process),
            self.often(amount.resets, self.reset),
            self.often(amount.backends - amount.crashes, self.terminate),
            self.often(amount.crashes, self.crash),
            self.often(amount.pauses, self.pause),
        ]

    async def often(self, count: int, act: Callable[[], Awaitable[str]]) -> None:
        """`act` says what it has broken, nothing when there was nothing to break."""
        for _ in range(count):
            await asyncio.sleep(self.dice.random() * 2 * self.amount.seconds / count)
            while not (said := await act()):
                await asyncio.sleep(0.02)
            self.events[said] += 1

    async def kill_process(self) -> str:
        """Each in its turn."""
        process = next(self.turns)
        if process.gone:
            return ""
        process.signal(signal.SIGKILL)
        return f"{process.name} processes killed"

    async def reset(self) -> str:
        """More often to the broker: those to the database are ended by other means, too."""
        name = "broker" if "broker" in self.proxies and self.dice.random() < BROKER else "database"
        found = self.proxies[name].open
        if not found:
            return ""
        self.dice.choice(found).reset()
        return f"{name} connections reset"

    async def terminate(self) -> str:
        mine = f"datname = '{self.herd.service.database}' AND pid <> pg_backend_pid()"
        # Those at work first.
        one = f"SELECT pid FROM pg_stat_activity WHERE {mine} ORDER BY state = 'idle', random() LIMIT 1"  # noqa: S608
        ended = await self.ask(f"SELECT pg_terminate_backend(pid) FROM ({one}) AS one")  # noqa: S608 - as above
        return "backends terminated" if ended == [["t"]] else ""

    async def crash(self) -> str:
        """PostgreSQL ends all of its backends when one of them was killed, and begins anew."""
        mine = f"datname = '{self.herd.service.database}' AND pid <> pg_backend_pid()"
        found = await self.ask(f"SELECT pid FROM pg_stat_activity WHERE {mine} ORDER BY state = 'idle', random() LIMIT 1")  # noqa: S608
        for (pid,) in found:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
                return "backends killed"
        return ""

    async def pause(self) -> str:
        """As a machine does that has too much to do: whoever wakes up believes that what it had is still its own."""
        if time.monotonic() < self.awake:
            # One at a time: somebody has to be there to take over.
            return ""
        process = next(self.sleepers)
        if process.gone:
            return ""
        process.signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(PAUSE_SECONDS, process.signal, signal.SIGCONT)
        self.awake = time.monotonic() + PAUSE_SECONDS
        return PAUSED

    # -- what is there --

    async def settle(self) -> int:
        """Wait until nothing is under way; how many still are, when that takes too long."""
        await asyncio.sleep(max(0.0, self.awake - time.monotonic()))
        deadline = time.monotonic() + FINISH_SECONDS
        seen, since = await self.standing(), time.monotonic()
        while time.monotonic() < deadline:
            standing = await self.standing()
            if standing != seen:
                seen, since = standing, time.monotonic()
            waiting, missing, _ = standing
            if not waiting and time.monotonic() - since > (LOST_SECONDS if missing else QUIET_SECONDS):
                break
            await asyncio.sleep(0.2)
        return seen[0]

    async def standing(self) -> tuple[int, int, int]:
        """How many are under way, how many of the service's own way are without an effect, and how many effects there are."""
        without = "name NOT IN (SELECT name FROM chaos_effects)"
        missing = f"SELECT count(*) FROM chaos_writes WHERE name LIKE '%-{self.kind.doors[0]}-%' AND {without}"  # noqa: S608 - our names
        query = f"SELECT ({self.kind.waits}), ({missing}), (SELECT count(*) FROM chaos_effects)"  # noqa: S608 - as above
        for waiting, without_effect, found in await self.ask(query):
            return int(waiting), int(without_effect), int(found)
        return UNKNOWN

    async def names(self, table: str) -> list[str]:
        return [name for (name,) in await self.ask(f"SELECT name FROM {table}") if name.endswith(self.token)]  # noqa: S608 - as above

    async def ask(self, statement: str) -> list[list[str]]:
        """Nothing while PostgreSQL begins anew."""
        try:
            return await asyncio.to_thread(self.herd.service.postgresql.ask, self.herd.service.database, statement)
        except RuntimeError:
            return []


def of(door: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if f"-{door}-" in name]
