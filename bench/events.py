"""What the outbox and the inbox cost: events per second through relay and consumer, against plain publishing and handling.

Run by a rendered FastAPI service's own Python, in its folder, migrated, with its variables set:

    DATABASE_URL=... NATS_URL=... NATS_STREAM=bench .venv/bin/python TEMPLATE/bench/events.py 5000

Each process has one core. In the end the consumer is a process of its own, and this one publishes and relays.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import uuid4

# The service's own modules: its folder is where this runs.
sys.path.insert(0, str(Path.cwd()))

import uvloop
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, String, Table, delete, insert

from app.chassis import database, logging, tables
from app.chassis.events import connect, consuming, registry, relaying, store
from app.chassis.events.broker import Outgoing
from app.chassis.events.models import INBOX, OUTBOX
from app.chassis.events.publishing import composed

RUN = sys.argv[2] if len(sys.argv) > 2 else str(uuid4())
AT_A_TIME = 200
KEYS = 100
WARM_SECONDS, SECONDS = 1, 8
CONSUMER = "consumer"
# One may not be there for a process that was begun by one that is bound to the other.
FIRST, LAST = 0, (os.cpu_count() or 1) - 1
EFFECTS = Table("chassis_bench", tables.CHASSIS, Column("id", String(36)), Column("at", DateTime(timezone=True)))
ages: list[float] = []


class Sent(BaseModel):
    run: str
    at: float


@registry.event("bench.seen", version=1)
class Seen(Sent):
    """Has no effect but what the inbox remembers; may share its transaction."""


@registry.event("bench.kept", version=1)
class Kept(Sent):
    """Adds a row; may share its transaction."""


@registry.event("bench.alone", version=1)
class Alone(Sent):
    """Adds a row, in a transaction of its own."""


KINDS = (Seen, Kept, Alone)


@registry.handles(Seen, together=True)
async def see(_session: Any, event: Seen) -> None:
    note(event)


@registry.handles(Kept, together=True)
async def keep(session: Any, event: Kept) -> None:
    await add(session, event)


@registry.handles(Alone)
async def keep_alone(session: Any, event: Alone) -> None:
    await add(session, event)


async def add(session: Any, event: Sent) -> None:
    await session.execute(insert(EFFECTS).values(id=str(uuid4()), at=datetime.now(UTC)))
    note(event)


def note(event: Sent) -> None:
    # The broker may have some that an earlier run has left.
    if event.run == RUN:
        ages.append(time.time() - event.at)


def rows(kind: type[Sent], number: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [composed(kind(run=RUN, at=time.time()), key=str(one % KEYS), now=now) for one in range(number)]


async def put(some: list[dict[str, Any]]) -> None:
    async with database.opened().engine.begin() as connection:
        await connection.execute(insert(OUTBOX), some)


@asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(loop(stop)) for loop in loops]
    yield
    stop.set()
    await asyncio.gather(*tasks)


async def rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


async def empty() -> None:
    while (await store.sample()).depth:
        await asyncio.sleep(0.01)


async def plainly(count: int) -> None:
    """As many at a time as the relay's batches have."""
    some = rows(Seen, count)
    events = [Outgoing(str(uuid4()), "bench.plain", str(one), row["body"]) for one, row in enumerate(some)]
    async with connect() as transport:
        for first in range(0, count, AT_A_TIME):
            await asyncio.gather(*(transport.publish(event) for event in events[first : first + AT_A_TIME]))


async def relayed() -> None:
    async with running(relaying.run):
        await empty()


async def consumed(count: int) -> None:
    ages.clear()
    async with running(consuming.run):
        while len(ages) < count:
            await asyncio.sleep(0.01)


async def without_inbox(count: int) -> None:
    async def lane() -> None:
        for _ in range(count // 8):
            async with database.opened().sessions.begin() as session:
                await add(session, Kept(run=RUN, at=time.time()))

    await asyncio.gather(*(lane() for _ in range(8)))


async def aged(kind: type[Sent], rate: float) -> list[float]:
    """Seconds from before the transaction that publishes to the handler, at so many a second, once all is warm."""
    count = int(rate * (WARM_SECONDS + SECONDS))
    consumer = await asyncio.create_subprocess_exec(
        sys.executable, __file__, CONSUMER, RUN, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    # It is there when this one is through.
    await put(rows(kind, 1))
    async with running(relaying.run):
        assert consumer.stdout is not None
        await consumer.stdout.readline()
        began, sent = time.perf_counter(), 0
        while sent < count:
            due = min(int((time.perf_counter() - began) * rate) - sent, AT_A_TIME)
            if due > 0:
                await put(rows(kind, due))
                sent += due
            await asyncio.sleep(0.02)
        printed, _ = await consumer.communicate(b"%d\n" % (sent + 1))
    *logged, last = printed.decode().splitlines()
    sys.stderr.write("\n".join(logged))
    return list(map(float, json.loads(last)))[int(rate * WARM_SECONDS) :]


async def consumer() -> None:
    async with database.resources(), running(consuming.run):
        while not ages:
            await asyncio.sleep(0.01)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        expected = int(await asyncio.to_thread(sys.stdin.readline))
        while len(ages) < expected:
            await asyncio.sleep(0.01)
    sys.stdout.write(json.dumps(ages) + "\n")


async def main(count: int) -> None:
    async with database.resources():
        async with database.opened().engine.begin() as connection:
            await connection.run_sync(lambda sync: EFFECTS.create(sync, checkfirst=True))
            await connection.execute(delete(OUTBOX))
            await connection.execute(delete(INBOX))
        plain = await rate(count, lambda: plainly(count))
        found: dict[type[Sent], tuple[float, float]] = {}
        for kind in KINDS:
            await put(rows(kind, count))
            relay = await rate(count, relayed)
            found[kind] = (relay, await rate(count, lambda: consumed(count)))
        handling = await rate(count, lambda: without_inbox(count))
        late = {kind: await aged(kind, min(rates) / 2) for kind, rates in found.items()}
        async with database.opened().engine.begin() as connection:
            await connection.run_sync(EFFECTS.drop)
    say = sys.stdout.write
    say(f"plain publish {plain:,.0f}/s; a handler that adds a row, without an inbox, 8 at a time {handling:,.0f}/s\n")
    for kind, (relay, consume) in found.items():
        cuts = quantiles(late[kind], n=100)
        say(
            f"{kind.__name__.lower()}: relay {relay:,.0f}/s, consumer {consume:,.0f}/s, the slower of them"
            f" {min(relay, consume) / plain:.2f} of plain publish; age at {min(relay, consume) / 2:,.0f}/s:"
            f" median {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms\n"
        )
    shares = ", ".join(f"{kind.__name__.lower()} {found[kind][1] / handling:.2f}" for kind in (Kept, Alone))
    say(f"consumer against the handler without an inbox: {shares}\n")


if __name__ == "__main__":
    logging.configure()
    if CONSUMER in sys.argv:
        os.sched_setaffinity(0, {FIRST})
        uvloop.run(consumer())
    else:
        os.sched_setaffinity(0, {LAST})
        uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
