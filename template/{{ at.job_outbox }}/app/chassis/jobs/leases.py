"""Who has a job, and for how long: its row says when it is delivered again, whatever a broker loses or doubles."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.chassis import jobs
from app.chassis.jobs import rows
from app.chassis.settings import load

NONE: Final[dict[str, datetime | None]] = {"deliver_at": None, "leased_until": None}


def offered(at: datetime) -> datetime | None:
    """When the row of a job that is due at that time has to be delivered."""
    return at


def until(now: datetime) -> datetime:
    """Until when whoever has begun now, or been handed it, has it without another sign of life."""
    return now + timedelta(seconds=load(jobs.Settings).jobs_stalled_after)


def kept(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether a message that brings this job is to be dropped: somebody is at it, or its next attempt is not due."""
    if row["state"] == rows.RUNNING:
        leased = row["leased_until"]
        return leased is not None and bool(leased > now)
    # Whoever delivers it moves `deliver_at`: until then a message that brings it is an old one.
    return bool(row["deliver_at"] == row["due_at"] > now)
