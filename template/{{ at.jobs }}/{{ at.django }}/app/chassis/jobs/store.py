"""The jobs in the database; each function is a transaction of its own, or part of the one that has begun."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Count, Min, QuerySet

from app.chassis.jobs import leases, rows, sending, threads
from app.chassis.jobs.models import Job
from app.chassis.jobs.rows import Attempt, Withdrawn

Row = Mapping[str, Any]
ask = threads.call
"""Call one of these from the event loop."""


# -- an attempt --------------------------------------------------------------------------------------------------------


@transaction.atomic
def begin(job_id: UUID, now: datetime) -> Attempt | None:
    """None when there is nothing to do any more."""
    row = Job.objects.select_for_update().filter(id=job_id, state__in=rows.LIVE).first()
    if row is None or leases.kept(vars(row), now):
        return None
    again = row.state == rows.RUNNING
    row.state, row.attempts, row.unique_key = rows.RUNNING, row.attempts + 1, None
    row.started_at = row.started_at or now
    row.deliver_at = row.leased_until = leases.until(now)
    row.save(update_fields=["state", "attempts", "unique_key", "started_at", "deliver_at", "leased_until"])
    return Attempt(job_id, row.name, row.owner, row.arguments, orjson.loads(row.carrier), row.attempts, again)


def finish(one: Attempt, result: str | None, now: datetime) -> None:
    """Part of the job's own transaction: both are there, or none. Raises Withdrawn."""
    _end(one, state=rows.SUCCEEDED, result=result, error=None, detail=None, finished_at=now)


def fail(one: Attempt, again_at: datetime | None, error: str, detail: str, now: datetime) -> None:
    """To be tried again, or dead."""
    if again_at is None:
        ended: dict[str, Any] = {"state": rows.FAILED, "finished_at": now}
    else:
        ended = {"due_at": again_at, "deliver_at": leases.offered(again_at)}
    with suppress(Withdrawn):
        _end(one, **{"state": rows.QUEUED, "error": error, "detail": detail} | ended)


def give_back(one: Attempt, now: datetime) -> None:
    """It was no attempt: whoever takes it next begins with the same number."""
    with suppress(Withdrawn):
        _end(one, state=rows.QUEUED, attempts=one.number - 1, deliver_at=leases.offered(now))


def _end(one: Attempt, **values: Any) -> None:
    reached = {} if one.done is None else {"done": one.done, "total": one.total}
    if not _change(one, leases.NONE | values | reached):
        raise Withdrawn


def report(one: Attempt) -> bool:
    """Its progress; False when it is not this attempt's any more."""
    return _change(one, {"done": one.done, "total": one.total})


def _change(one: Attempt, values: Row) -> bool:
    """Only the attempt that has begun last may, and only until somebody cancels it."""
    return bool(Job.objects.filter(id=one.id, state=rows.RUNNING, attempts=one.number).update(**values))


def still_running(ours: Mapping[UUID, int]) -> set[UUID]:
    """Which of these are still run at the attempt of that number."""
    found = Job.objects.filter(id__in=list(ours), state=rows.RUNNING).values_list("id", "attempts")
    return {job_id for job_id, number in found if ours[job_id] == number}


# -- its owner ---------------------------------------------------------------------------------------------------------


def find(job_id: UUID, owner: str) -> Row | None:
    return Job.objects.filter(id=job_id, owner=owner).values().first()


def cancel(job_id: UUID, owner: str, now: datetime) -> None:
    """Whoever runs it learns of it, and cannot commit any more."""
    its = Job.objects.filter(id=job_id, owner=owner, state__in=rows.LIVE)
    its.update(state=rows.CANCELLED, finished_at=now, unique_key=None, **leases.NONE)


# -- the worker's upkeep -----------------------------------------------------------------------------------------------


def enqueue_once(row: Row) -> None:
    """Unless it is there."""
    with suppress(IntegrityError), transaction.atomic():
        if not Job.objects.filter(id=row["id"]).exists():
            sending.send(row)


def figures(now: datetime) -> tuple[list[tuple[str, int, datetime]], dict[str, int]]:
    """Of each queue how many are due and since when; of each name how many are dead."""
    due = Job.objects.filter(state=rows.QUEUED, due_at__lte=now)
    queues = due.values_list("queue").annotate(Count("id"), Min("due_at")).order_by()
    letters = Job.objects.filter(state=rows.FAILED).values_list("name").annotate(Count("id")).order_by()
    return list(queues), dict(letters)


def forget(before: datetime, limit: int) -> int:
    over = Job.objects.filter(state__in=rows.OVER, finished_at__lt=before)
    ids = list(over.values_list("id", flat=True)[:limit])
    over.filter(id__in=ids).delete()
    return len(ids)


def due(now: datetime) -> list[tuple[UUID, str]]:
    """What could run now, the first that was enqueued first; for tests."""
    found = Job.objects.filter(state=rows.QUEUED, due_at__lte=now)
    return list(found.values_list("id", "name").order_by("created_at", "id"))


# -- its operators -----------------------------------------------------------------------------------------------------


def counts() -> list[tuple[str, str, int]]:
    return list(Job.objects.values_list("name", "state").annotate(Count("id")).order_by("name", "state"))


def newest(state: str | None, limit: int) -> list[Row]:
    query = Job.objects.all() if state is None else Job.objects.filter(state=state)
    return list(query.order_by("-created_at").values()[:limit])


@transaction.atomic
def replay(ids: list[UUID] | None, now: datetime) -> int:
    """How many are enqueued anew."""
    found = list(_dead(ids).select_for_update().values_list("id", flat=True))
    for job_id in found:
        Job.objects.filter(id=job_id).update(state=rows.QUEUED, attempts=0, due_at=now, finished_at=None)
        sending.deliver(job_id)
    return len(found)


def drop(ids: list[UUID] | None, _now: datetime) -> int:
    return _dead(ids).delete()[0]


def _dead(ids: list[UUID] | None) -> QuerySet[Job]:
    dead = Job.objects.filter(state=rows.FAILED)
    return dead if ids is None else dead.filter(id__in=ids)
