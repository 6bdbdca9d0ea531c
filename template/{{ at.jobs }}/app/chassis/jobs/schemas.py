"""What clients get to see of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from app.chassis.jobs import rows

PATH: Final = "/v1/jobs"
RETRY_AFTER: Final = "1"
EXAMPLE_ID: Final = "0199f3c1-7b2a-7c5e-9d40-3f1b8e6a2c71"
AGAIN: Final[dict[str, Any]] = {
    "Retry-After": {"description": "Seconds after which to look again.", "schema": {"type": "integer"}}
}
ACCEPTED: Final[dict[str, Any]] = AGAIN | {
    "Location": {"description": "Where the job is.", "schema": {"type": "string"}}
}
"""The headers of a 202, for the OpenAPI document of a view that answers `accepted`."""

Id = Annotated[UUID, Field(examples=[EXAMPLE_ID])]


class Accepted(BaseModel):
    """A request whose work goes on; the job is where the reply's Location says."""

    id: Id


class Progress(BaseModel):
    done: Annotated[int, Field(examples=[40])]
    total: Annotated[int | None, Field(description="null while nobody knows.", examples=[100])]


class Job(BaseModel):
    id: Id
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: Progress | None
    result: Annotated[Any, Field(description="What it has made, once it succeeded.")]
    error: Annotated[str | None, Field(description="Why the last attempt failed.")]
    attempts: Annotated[int, Field(ge=0)]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Enqueued:
    """`new` is false when its unique key has it wait already."""

    id: UUID
    new: bool


def accepted(response: Any, job: Enqueued) -> Accepted:
    """What a view answers with 202: the headers go to the framework's response."""
    response.headers["Location"] = f"{PATH}/{job.id}"
    response.headers["Retry-After"] = RETRY_AFTER
    return Accepted(id=job.id)


def shown(row: Mapping[str, Any], response: Any) -> Job:
    if row["state"] in rows.LIVE:
        response.headers["Retry-After"] = RETRY_AFTER
    return Job(
        id=row["id"],
        state=row["state"],
        progress=None if row["done"] is None else Progress(done=row["done"], total=row["total"]),
        result=None if row["result"] is None else orjson.loads(row["result"]),
        error=row["detail"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
