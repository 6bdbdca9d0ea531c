"""The jobs that have to be delivered; each function is a transaction of its own."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from app.chassis.jobs import rows
from app.chassis.jobs.models import Job


def claim(now: datetime, until: datetime, most: int, ahead: int | None) -> list[UUID]:
    """The ids of those that have to be delivered, the oldest first; nobody else delivers them before `until`.

    With `ahead` no more than so many are delivered and have not begun.
    """
    found = Job.objects.filter(deliver_at__lte=now).order_by("deliver_at").values_list("id", flat=True)
    # Most of the time there are none, and a look takes no lock.
    if not found[:1]:
        return []
    delivered = Job.objects.filter(deliver_at__gt=now, deliver_at__lte=until)
    waiting = delivered.filter(state=rows.QUEUED, due_at__lte=now)
    room = most if ahead is None else min(most, ahead - waiting.count())
    if room < 1:
        return []
    with transaction.atomic():
        ids = list(found.select_for_update(skip_locked=True)[:room])
        Job.objects.filter(id__in=ids).update(deliver_at=until)
    return ids


def release(ids: Collection[UUID], now: datetime) -> None:
    """They have not been delivered after all, or not begun; what has begun, and what waits for its time, stays."""
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    its = Job.objects.filter(free, id__in=ids, deliver_at__gt=now)
    its.filter(deliver_at__gt=F("due_at")).update(deliver_at=now)


def renew(ours: Mapping[UUID, int], until: datetime) -> None:
    """Whoever runs these attempts lives."""
    its = Q()
    for job_id, number in ours.items():
        its |= Q(id=job_id, attempts=number)
    Job.objects.filter(its, state=rows.RUNNING).update(deliver_at=until, leased_until=until)


def adopt(until: datetime) -> None:
    """Jobs of a queue that this service had before: those that wait are due, those that run have this long."""
    strange = Job.objects.filter(deliver_at=None, leased_until=None)
    strange.filter(state=rows.QUEUED).update(deliver_at=F("due_at"))
    strange.filter(state=rows.RUNNING).update(deliver_at=until, leased_until=until)


def correct(now: datetime) -> None:
    """What was enqueued in the future was enqueued by somebody whose clock is ahead: it is due."""
    Job.objects.filter(state=rows.QUEUED, created_at__gt=now, deliver_at__gt=now).update(deliver_at=now)
