"""Who has a job, and for how long: nobody's row says it, procrastinate does."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

NONE: Final[dict[str, datetime | None]] = {}


def offered(at: datetime) -> datetime | None:  # noqa: ARG001 - it delivers by tables of its own
    """When the row of a job that is due at that time has to be delivered."""
    return None


def until(now: datetime) -> datetime | None:  # noqa: ARG001 - as above
    """Until when whoever has begun now has it."""
    return None


def kept(row: Mapping[str, Any], now: datetime) -> bool:  # noqa: ARG001 - it hands each job to one worker at a time
    """Whether a message that brings this job is to be dropped."""
    return False
