"""What a feature does with jobs: enqueue them, report on them, answer that one goes on."""

from collections.abc import Callable
from typing import ParamSpec

from django.db import connection

from app.chassis import jobs, work
from app.chassis.jobs import rows, running, sending, store, threads
from app.chassis.jobs.declared import declaration
from app.chassis.jobs.schemas import ACCEPTED, Accepted, Enqueued, accepted

__all__ = ["ACCEPTED", "Accepted", "Enqueued", "accepted", "enqueue", "progress"]

Given = ParamSpec("Given")


def enqueue(job: Callable[Given, object], *args: Given.args, **arguments: Given.kwargs) -> Enqueued:
    """It runs once this transaction is committed, or never; one statement.

    Raises pydantic's ValidationError for what the job does not take, PayloadTooLarge, or RuntimeError where no
    transaction has begun.
    """
    if args:
        raise TypeError("a job's arguments have names: enqueue(job, name=value)")
    if not connection.in_atomic_block:
        raise RuntimeError(
            "a job is enqueued in a transaction: put @transaction.atomic above the function, or call it by "
            "in_transaction from app.chassis.transactions"
        )
    declared = declaration(job)
    row = rows.new(declared, arguments, owner=running.owner(), carrier=work.carrier())
    sent = sending.send(row)
    jobs.enqueued[declared.name, "new" if sent.new else "duplicate"] += 1
    return sent


def progress(done: int, total: int | None = None) -> None:
    """Say how far the running job is: kept about once a second, at once, whatever becomes of the job's transaction.

    Raises Withdrawn when somebody has cancelled the job: let it out.
    """
    one = running.reporting(done, total)
    if one is not None and not threads.elsewhere(store.report, one):
        one.withdrawn = True
        raise rows.Withdrawn
