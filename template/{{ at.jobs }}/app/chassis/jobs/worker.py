"""The worker: runs what is in the queue, and sees to what time brings: schedules, withdrawals, figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from app.chassis import jobs
from app.chassis.jobs import delivery, rows, running, store
from app.chassis.jobs.declared import Job, known
from app.chassis.settings import load

MISSED: Final = timedelta(minutes=10)
"""A tick of cron that nobody was there for is made up for this long."""
BATCH: Final = 1000
AGAIN: Final = 5.0
"""Seconds after which what failed is tried again."""
log = structlog.get_logger()


async def work(stop: asyncio.Event) -> None:
    """Until the event is set; then it finishes what it has begun, and returns what takes longer than that."""
    # What cannot be a job ends the process here, not at its first run.
    known()
    upkeep = asyncio.create_task(keep_up(stop))
    try:
        await delivery.consume(stop)
    finally:
        upkeep.cancel()


# -- what time brings --------------------------------------------------------------------------------------------------


async def keep_up(stop: asyncio.Event) -> None:
    """Until it is cancelled: whoever still runs while it stops may be withdrawn, too."""
    chores: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
        (1.0, running.withdraw),
        (1.0, schedule),
        (5.0, look_up),
        (600.0, sweep),
    )
    due = dict.fromkeys((chore for _, chore in chores), 0.0)
    while True:
        for seconds, chore in chores:
            now = time.monotonic()
            if now >= due[chore] and not (stop.is_set() and chore is schedule):
                done = await tried(chore)
                # What is rare does not wait for its next time when it fails.
                due[chore] = now + (seconds if done else min(seconds, AGAIN))
        await asyncio.sleep(0.2)


async def tried(chore: Callable[[], Awaitable[None]]) -> bool:
    """Whether it went well."""
    try:
        await chore()
    except Exception as error:  # noqa: BLE001 - the next time may go well
        log.warning("jobs.upkeep_failed", chore=getattr(chore, "__name__", ""), reason=repr(error))
        return False
    return True


_seen: dict[str, datetime] = {}


async def schedule() -> None:
    """Enqueue what cron wants now; all workers try, and the id of a tick is there once."""
    now = datetime.now(UTC)
    for one in known().values():
        if one.schedule:
            tick = last_tick(one, now)
            if tick != _seen.get(one.name) and now - tick <= MISSED:
                await store.ask(store.enqueue_once, rows.scheduled(one, tick))
            _seen[one.name] = tick


def last_tick(one: Job, now: datetime) -> datetime:
    from croniter import croniter  # noqa: PLC0415 - for those who have a schedule

    tick: datetime = croniter(one.schedule, now).get_prev(datetime)
    return tick


async def look_up() -> None:
    """The figures that only the database knows."""
    now = datetime.now(UTC)
    queues, letters = await store.ask(store.figures, now)
    jobs.waiting.clear()
    for queue, number, oldest in queues:
        jobs.waiting[queue] = (number, max(0.0, (now - oldest).total_seconds()))
    jobs.dead.clear()
    jobs.dead.update(letters)


async def sweep() -> None:
    """Forget what has been over for long."""
    before = datetime.now(UTC) - timedelta(seconds=load(jobs.Settings).jobs_keep)
    while await store.ask(store.forget, before, BATCH) == BATCH:
        pass
