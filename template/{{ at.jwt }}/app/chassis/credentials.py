"""What this service takes for a credential: access tokens of its own."""

from datetime import datetime
from typing import TYPE_CHECKING

from app.chassis import tokens
from app.chassis.identity import BEARER as SCHEME
from app.chassis.identity import bearer
from app.chassis.tokens import grant

if TYPE_CHECKING:
    from app.chassis.accounts.store import Store

__all__ = ["FAILURES", "SCHEME", "end_logins", "expire", "grant", "identify"]

FAILURES = ()
"""Statuses that checking one may end with, beside 401, 403 and 503."""
identify = bearer(tokens.identify)


def end_logins(store: "Store", account_id: str, now: datetime) -> None:
    """All of this account."""
    from app.chassis.tokens.store import RefreshTokens  # noqa: PLC0415 - the database, which is open by now

    RefreshTokens(store).revoke_account(account_id, now)


def expire(store: "Store", now: datetime) -> int:
    """How many refresh tokens were of no use any more, and are gone."""
    from app.chassis.tokens.store import RefreshTokens  # noqa: PLC0415 - as above

    return RefreshTokens(store).expire(now)
