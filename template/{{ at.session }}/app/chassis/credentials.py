"""What this service takes for a credential: the cookie of a session."""

from datetime import datetime
from typing import TYPE_CHECKING

from app.chassis.sessions import SCHEME, grant, identify

if TYPE_CHECKING:
    from app.chassis.accounts.store import Store

__all__ = ["FAILURES", "SCHEME", "end_logins", "expire", "grant", "identify"]

FAILURES = ()
"""Statuses that checking one may end with, beside 401, 403 and 503."""


def end_logins(store: "Store", account_id: str, now: datetime) -> None:  # noqa: ARG001 - others write down when
    """All of this account."""
    from app.chassis.sessions.store import Sessions  # noqa: PLC0415 - the database, which is open by now

    Sessions(store).end_all(account_id)


def expire(store: "Store", now: datetime) -> int:
    """How many sessions had ended, and are gone."""
    from app.chassis.sessions.store import Sessions  # noqa: PLC0415 - as above

    return Sessions(store).expire(now)
