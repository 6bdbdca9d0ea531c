"""The jobs that callers wait for, over HTTP: each sees its own."""

from datetime import UTC, datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from app.chassis.auth import principal
from app.chassis.errors import Conflict, NotFound
from app.chassis.jobs import rows, schemas, store
from app.chassis.routes import ANYBODY, declare

# ruff: noqa: ARG001 - Ninja passes the request

router = Router(tags=["jobs"])


@router.get(
    schemas.PATH + "/{job_id}",
    response={200: schemas.Job, 404: None},
    openapi_extra={"responses": {200: {"headers": schemas.AGAIN}}},
)
@declare(scope=ANYBODY)
def get_job(request: HttpRequest, job_id: UUID, response: HttpResponse) -> schemas.Job:
    """Where it is, how far, and what has come of it."""
    row = store.find(job_id, principal().subject)
    if row is None:
        raise NotFound("job", job_id)
    return schemas.shown(row, response)


@router.delete(schemas.PATH + "/{job_id}", response={200: schemas.Job, 404: None, 409: None})
@declare(scope=ANYBODY)
def cancel_job(request: HttpRequest, job_id: UUID, response: HttpResponse) -> schemas.Job:
    """One that waits never runs; what one that runs has done is taken back."""
    store.cancel(job_id, principal().subject, datetime.now(UTC))
    found = get_job(request, job_id, response)
    if found.state != rows.CANCELLED:
        raise Conflict(f"The job has {found.state} already.")
    return found
