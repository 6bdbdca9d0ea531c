"""What a feature does with jobs: enqueue them, report on them, answer that one goes on."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database, jobs, work
from app.chassis.jobs import rows, running, sending, store
from app.chassis.jobs.declared import declaration
from app.chassis.jobs.schemas import ACCEPTED, Accepted, Enqueued, accepted

__all__ = ["ACCEPTED", "Accepted", "Enqueued", "accepted", "enqueue", "progress"]

Given = ParamSpec("Given")


async def enqueue(
    session: AsyncSession,
    job: Callable[Concatenate[AsyncSession, Given], Awaitable[object]],
    *args: Given.args,
    **arguments: Given.kwargs,
) -> Enqueued:
    """It runs once this transaction is committed, or never; one statement.

    Raises pydantic's ValidationError for what the job does not take, PayloadTooLarge, or RuntimeError where no
    transaction has begun.
    """
    if args:
        raise TypeError("a job's arguments have names: enqueue(session, job, name=value)")
    if not session.in_transaction() and not database.is_inside(session):
        raise RuntimeError(
            "a job is enqueued in a transaction: take the session of Depends(session) or of in_transaction, "
            "or enqueue inside `async with session.begin():`"
        )
    declared = declaration(job)
    row = rows.new(declared, arguments, owner=running.owner(), carrier=work.carrier())
    sent = await sending.send(session, row)
    jobs.enqueued[declared.name, "new" if sent.new else "duplicate"] += 1
    return sent


async def progress(done: int, total: int | None = None) -> None:
    """Say how far the running job is: kept about once a second, at once, whatever becomes of the job's transaction.

    Raises Withdrawn when somebody has cancelled the job: let it out.
    """
    one = running.reporting(done, total)
    if one is not None and not await store.report(one):
        one.withdrawn = True
        raise rows.Withdrawn
