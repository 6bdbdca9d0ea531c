"""One attempt at a job, from its row to its outcome, whatever the queue is."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.chassis import jobs, work
from app.chassis.auth import principal
from app.chassis.jobs import attempts, store
from app.chassis.jobs.declared import GiveUp, Job, find
from app.chassis.jobs.rows import Attempt, Withdrawn, again_at, current, for_operators, for_the_owner

REPORT_SECONDS: Final = 1.0
RETRIED, DEAD, WITHDRAWN, RETURNED = "retried", "dead", "withdrawn", "returned"

_running: "dict[UUID, tuple[Attempt, asyncio.Future[None]]]" = {}


class TooLate(Exception):
    """The attempt took longer than its job may."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended; `again_at` is when the next one is due, if there is to be one."""

    again_at: datetime | None = None
    error: Exception | None = None


async def attempt(job_id: UUID) -> Ended:
    """Run it, unless it is over. What is raised is trouble with the database: the queue has to deliver it again."""
    one = await store.ask(store.begin, job_id, datetime.now(UTC))
    if one is None:
        return Ended()
    jobs.taken_up[one.name] += one.again
    with work.unit("job", one.name, one.carrier) as unit:
        job: Job | None = None
        try:
            job = find(one.name)
            if one.again and one.number > job.retries + 1:
                raise GiveUp("the worker was lost at every attempt")  # noqa: TRY301 - as a job would
            await limited(one, job)
        except Withdrawn:
            unit.outcome = WITHDRAWN
        except asyncio.CancelledError:
            unit.outcome = RETURNED
            await store.ask(store.give_back, one, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its failure
            now = datetime.now(UTC)
            ended = Ended(again_at(job, one.number, error, now), error)
            unit.outcome, unit.error, unit.status = RETRIED if ended.again_at else DEAD, error, 500
            await store.ask(store.fail, one, ended.again_at, for_operators(error), for_the_owner(error), now)
            return ended
    if unit.outcome == RETURNED:
        # Out here: the unit would take it for a failure.
        raise asyncio.CancelledError
    return Ended()


async def limited(one: Attempt, job: Job) -> None:
    """Run the function within its time. Raises what it raises, TooLate, or Withdrawn."""
    running = asyncio.ensure_future(as_coroutine(attempts.once(one, job.function, job.read(one.arguments))))
    _running[one.id] = (one, running)
    try:
        async with asyncio.timeout(job.timeout) as limit:
            await running
    except TimeoutError as error:
        if not limit.expired():
            raise
        one.withdrawn = True
        raise TooLate(f"it took longer than its timeout of {job.timeout:g} s") from error
    except asyncio.CancelledError:
        if one.withdrawn:
            raise Withdrawn from None
        one.withdrawn = True
        raise
    finally:
        _running.pop(one.id, None)


async def as_coroutine(running: Awaitable[None]) -> None:
    await running


async def withdraw() -> None:
    """Tell those that run here and are not theirs any more."""
    ours = begun()
    if not ours:
        return
    theirs = await store.ask(store.still_running, ours)
    for job_id in ours.keys() - theirs:
        if job_id in _running:
            one, running = _running[job_id]
            one.withdrawn = True
            running.cancel()


def begun() -> dict[UUID, int]:
    """What runs here, and the number of the attempt."""
    return {job_id: one.number for job_id, (one, _) in _running.items()}


# -- what a job's own code asks ----------------------------------------------------------------------------------------


def owner() -> str:
    """Whose job it is that is enqueued now: whoever asks, or whose job enqueues it."""
    one = current.get()
    return principal().subject if one is None else one.owner


def reporting(done: int, total: int | None) -> Attempt | None:
    """The attempt whose progress has to be written now. Raises Withdrawn, or RuntimeError outside of a job."""
    one = current.get()
    if one is None:
        raise RuntimeError("progress() is for a job that runs: call it in a function with @job, or in what that calls")
    if one.withdrawn:
        raise Withdrawn
    one.done, one.total = done, total
    now = time.monotonic()
    if now - one.reported < REPORT_SECONDS:
        return None
    one.reported = now
    return one
