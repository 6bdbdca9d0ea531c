"""What the outbox and the inbox cost: events per second through relay and consumer, against plain publishing and handling.

Run by a rendered FastAPI service's own Python, in its folder, migrated, with its variables set:

    DATABASE_URL=... NATS_URL=... NATS_STREAM=bench taskset -c 1 .venv/bin/python TEMPLATE/bench/events.py 5000
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
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

AT_A_TIME = 200
KEYS = 100


async def main(count: int) -> None:
    from app.chassis import database, logging, tables
    from app.chassis.events import connect, consuming, registry, relaying, store
    from app.chassis.events.broker import Outgoing
    from app.chassis.events.models import INBOX, OUTBOX
    from app.chassis.events.publishing import composed

    logging.configure()
    effects = Table("chassis_bench", tables.CHASSIS, Column("id", String(36)), Column("at", DateTime(timezone=True)))

    @registry.event("bench.measured", version=1)
    class Measured(BaseModel):
        number: int
        sent: float

    ages: list[float] = []

    @registry.handles(Measured)
    async def note(session: Any, event: Measured) -> None:
        await session.execute(insert(effects).values(id=str(uuid4()), at=datetime.now(UTC)))
        ages.append(time.time() - event.sent)

    def rows(number: int) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        return [composed(Measured(number=one, sent=time.time()), key=str(one % KEYS), now=now) for one in range(number)]

    @asynccontextmanager
    async def running(*loops: Any) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(loop(stop)) for loop in loops]
        yield
        stop.set()
        await asyncio.gather(*tasks)

    async def until(done: Any) -> None:
        while not await done():
            await asyncio.sleep(0.01)

    async with database.resources():
        async with database.opened().engine.begin() as connection:
            await connection.run_sync(lambda sync: effects.create(sync, checkfirst=True))
            await connection.execute(delete(OUTBOX))
            await connection.execute(delete(INBOX))

        # Plain publishing: as many at a time as the relay's batches have.
        events = [Outgoing(str(uuid4()), "bench.plain", str(one), row["body"]) for one, row in enumerate(rows(count))]
        async with connect() as transport:
            started = time.perf_counter()
            for first in range(0, count, AT_A_TIME):
                await asyncio.gather(*(transport.publish(event) for event in events[first : first + AT_A_TIME]))
            plain = count / (time.perf_counter() - started)

        # The relay: what is in the outbox already.
        async with database.opened().engine.begin() as connection:
            await connection.execute(insert(OUTBOX), rows(count))

        async def empty() -> bool:
            return (await store.sample()).depth == 0

        started = time.perf_counter()
        async with running(relaying.run):
            await until(empty)
            relayed = count / (time.perf_counter() - started)

        # The consumer: what is in the broker already.
        async def handled() -> bool:
            return len(ages) >= count

        started = time.perf_counter()
        async with running(consuming.run):
            await until(handled)
            consumed = count / (time.perf_counter() - started)

        # The same handler without an inbox, eight at a time.
        lanes = [note] * 8

        async def bare(share: int) -> None:
            for number in range(share):
                async with database.opened().sessions.begin() as session:
                    await note(session, Measured(number=number, sent=time.time()))

        started = time.perf_counter()
        await asyncio.gather(*(bare(count // 8) for _ in lanes))
        handling = count / (time.perf_counter() - started)

        # Ages at half of what the slower of the two can do, both in this one process.
        ages.clear()
        rate = 1 / (1 / relayed + 1 / consumed) / 2
        async with running(relaying.run, consuming.run):
            began, sent = time.perf_counter(), 0
            while sent < count / 2:
                due = min(int((time.perf_counter() - began) * rate) - sent, AT_A_TIME)
                if due > 0:
                    async with database.opened().engine.begin() as connection:
                        await connection.execute(insert(OUTBOX), rows(due))
                    sent += due
                await asyncio.sleep(0.02)
            while len(ages) < sent:
                await asyncio.sleep(0.01)
        cuts = quantiles(ages, n=100)
        async with database.opened().engine.begin() as connection:
            await connection.run_sync(effects.drop)
    sys.stdout.write(
        f"plain publish {plain:,.0f}/s; relay {relayed:,.0f}/s, {relayed / plain:.2f} of it\n"
        f"handler alone {handling:,.0f}/s; consumer {consumed:,.0f}/s, {consumed / handling:.2f} of it,"
        f" {consumed / plain:.2f} of plain publish\n"
        f"age at {rate:,.0f}/s: median {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms\n"
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
