"""A job as the database has it: its states, and what is decided about them."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import uniform
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from pydantic_core import to_jsonable_python
from uuid_utils.compat import uuid7

from app.chassis import jobs
from app.chassis.errors import Problem
from app.chassis.jobs.declared import GiveUp, Job
from app.chassis.logging import redact
from app.chassis.settings import load

QUEUED: Final = "queued"
RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
STATES: Final = (QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
LIVE: Final = (QUEUED, RUNNING)
"""Not over yet; failed is dead: it stays until somebody replays or drops it."""
OVER: Final = (SUCCEEDED, CANCELLED)
"""Over for good: nobody has to do anything about it."""
ERROR_LENGTH: Final = 2000
PAUSE_CAP: Final = 3600.0


class Withdrawn(Exception):
    """It is not this attempt's any more, cancelled or taken up by another worker: whatever it did is taken back."""


class PayloadTooLarge(ValueError):
    """Arguments are for names of things, not for the things."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a job, `number` 1 for the first; `again` says that the worker of the one before was lost."""

    id: UUID
    name: str
    owner: str
    arguments: str
    carrier: Mapping[str, str]
    number: int
    again: bool
    done: int | None = None
    total: int | None = None
    reported: float = field(default=float("-inf"))
    withdrawn: bool = False


current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The attempt that the running code belongs to."""


def new(one: Job, arguments: Mapping[str, Any], *, owner: str, carrier: Mapping[str, str]) -> dict[str, Any]:
    """The row of a job that is enqueued now. Raises ValidationError or PayloadTooLarge."""
    text, limit = one.write(arguments), load(jobs.Settings).jobs_payload_limit
    if len(text.encode()) > limit:
        raise PayloadTooLarge(
            f"the arguments of {one.name} are larger than JOBS_PAYLOAD_LIMIT, {limit} bytes: "
            "store what is large, and enqueue its id"
        )
    now = datetime.now(UTC)
    return {
        "id": uuid7(),
        "name": one.name,
        "queue": one.queue,
        "owner": owner,
        "arguments": text,
        "carrier": orjson.dumps(dict(carrier)).decode(),
        "unique_key": one.key(text),
        "state": QUEUED,
        "attempts": 0,
        "created_at": now,
        "due_at": now,
    }


def scheduled(one: Job, tick: datetime) -> dict[str, Any]:
    """The row of a job that cron wants at `tick`: its id is the same for whoever makes it."""
    return new(one, {}, owner="", carrier={}) | {"id": uuid5(NAMESPACE_URL, f"{one.name} {tick.isoformat()}")}


def encoded(result: object) -> str | None:
    """What a job returns, as JSON. Raises GiveUp when it is too large."""
    if result is None:
        return None
    text = orjson.dumps(to_jsonable_python(result)).decode()
    limit = load(jobs.Settings).jobs_result_limit
    if len(text.encode()) > limit:
        raise GiveUp(f"it returns more than JOBS_RESULT_LIMIT, {limit} bytes: store what is large, and return its id")
    return text


def again_at(one: Job | None, number: int, error: Exception, now: datetime) -> datetime | None:
    """When attempt `number` is followed by another one, exponential backoff with jitter; None for never."""
    if one is None or isinstance(error, GiveUp) or number > one.retries:
        return None
    seconds = min(PAUSE_CAP, one.backoff * 2.0**number)
    return now + timedelta(seconds=uniform(seconds / 2, seconds))  # noqa: S311 - no secret


def for_operators(error: Exception) -> str:
    return storable(str(redact({"event": f"{type(error).__name__}: {error}"})["event"]))


def for_the_owner(error: Exception) -> str:
    """What a client would have been told, and nothing else."""
    return storable((error.detail if isinstance(error, Problem) else None) or "The job failed.")


def storable(text: str) -> str:
    """No database takes a lone surrogate, and PostgreSQL no NUL."""
    return text[:ERROR_LENGTH].replace("\x00", "").encode(errors="backslashreplace").decode()
