"""How jobs come to this worker: out of the table, through the broker where there is one."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog

from app.chassis import job_broker, jobs
from app.chassis.jobs import direct, dispatching, engine, leases, outbox, running, store
from app.chassis.settings import load

ADOPT_SECONDS: Final = 60.0
log = structlog.get_logger()


def connected() -> bool:
    return engine.connected() and dispatching.connected() if job_broker.given() else direct.connected()


async def consume(stop: asyncio.Event) -> None:
    """Until the event is set; then it finishes what it has begun, and goes on to say that it lives until then."""
    beside = [asyncio.create_task(one) for one in (live(), adopt())]
    if job_broker.given():
        beside.append(asyncio.create_task(dispatching.run(stop)))
    try:
        await (engine.consume(stop) if job_broker.given() else direct.consume(stop))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def live() -> None:
    """Renew the leases of what runs here."""
    while True:
        await asyncio.sleep(load(jobs.Settings).jobs_stalled_after / 6)
        if ours := running.begun():
            try:
                await store.ask(outbox.renew, ours, leases.until(datetime.now(UTC)))
            except Exception as error:  # noqa: BLE001 - the next time may go well
                log.warning("jobs.not_renewed", reason=repr(error))


async def adopt() -> None:
    """What another queue of this service left in the table, or old code that is still running or ahead leaves there."""
    while True:
        try:
            await store.ask(outbox.adopt, leases.until(datetime.now(UTC)))
            await store.ask(outbox.correct, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("jobs.not_adopted", reason=repr(error))
        await asyncio.sleep(ADOPT_SECONDS)
