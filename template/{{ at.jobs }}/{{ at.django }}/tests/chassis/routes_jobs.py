"""Views that enqueue the jobs of the tests, and show what these have done."""

from datetime import timedelta
from typing import Annotated, Any

from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from ninja import Body, Router

from app.chassis.jobs.models import Job
from app.chassis.jobs.queue import Accepted, accepted, enqueue
from tests.chassis import trial_gone, trial_jobs

router = Router()


@router.post("/jobs/{name}", response={202: Accepted})
@transaction.atomic
def enqueue_one(
    request: HttpRequest, response: HttpResponse, name: str, given: Annotated[dict[str, Any], Body()], fails: str = ""
) -> Accepted:
    job = getattr(trial_jobs, name, None) or getattr(trial_gone, name)
    sent = enqueue(job, **given)
    if fails:
        raise RuntimeError("after it was enqueued")
    return accepted(response, sent)


@router.put("/notes", response={204: None})
def make_notes(request: HttpRequest) -> tuple[int, None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE probe_notes (name VARCHAR(64))")
    return 204, None


@router.get("/notes")
def notes(request: HttpRequest) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM probe_notes")
        return [name for (name,) in cursor.fetchall()]


@router.put("/old-jobs", response={204: None})
def make_old(request: HttpRequest) -> tuple[int, None]:
    """As if what is over had been so for two hours longer."""
    Job.objects.filter(finished_at__isnull=False).update(finished_at=F("finished_at") - timedelta(hours=2))
    return 204, None


@router.post("/stray-jobs")
def stray(request: HttpRequest) -> str:
    """What an enqueue without a transaction is told."""
    try:
        enqueue(trial_jobs.note, name="stray")
    except RuntimeError as error:
        return str(error)
    return "taken"
