"""The jobs that callers wait for, over HTTP: each sees its own."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.auth import principal
from app.chassis.database import session
from app.chassis.errors import Conflict, NotFound
from app.chassis.jobs import rows, schemas, store
from app.chassis.openapi import problems
from app.chassis.routes import ANYBODY, declare

router = APIRouter(prefix=schemas.PATH, tags=["jobs"])

Session = Annotated[AsyncSession, Depends(session, scope="function")]


@router.get("/{job_id}", responses={200: {"headers": schemas.AGAIN}, **problems(404)})
@declare(scope=ANYBODY)
async def get_job(database: Session, job_id: UUID, response: Response) -> schemas.Job:
    """Where it is, how far, and what has come of it."""
    row = await store.find(database, job_id, principal().subject)
    if row is None:
        raise NotFound("job", job_id)
    return schemas.shown(row, response)


@router.delete("/{job_id}", responses=problems(404, 409))
@declare(scope=ANYBODY)
async def cancel_job(database: Session, job_id: UUID, response: Response) -> schemas.Job:
    """One that waits never runs; what one that runs has done is taken back."""
    await store.cancel(database, job_id, principal().subject, datetime.now(UTC))
    found = await get_job(database, job_id, response)
    if found.state != rows.CANCELLED:
        raise Conflict(f"The job has {found.state} already.")
    return found
