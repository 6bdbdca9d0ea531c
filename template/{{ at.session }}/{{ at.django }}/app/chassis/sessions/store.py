"""The sessions in the database: Django's own."""

from datetime import datetime
from typing import Final

from app.chassis.accounts.store import Store
from app.chassis.sessions import Session
from app.chassis.sessions.engine import ABOUT, SessionStore
from app.chassis.sessions.models import SessionRow

COLUMNS: Final = (
    "account_id",
    "scopes",
    "created_at",
    "expire_date",
    "account__id",
    "account__confirmed_at",
    "account__disabled_at",
    "account__roles",
    "account__tenant",
)


def found(token: str) -> Session | None:
    """With the account as it is now; none without one, unless nobody has logged in to it."""
    row = SessionRow.objects.filter(session_key=token).values_list(*COLUMNS).first()
    if row is None:
        return None
    account_id, scopes, created_at, expires_at, there, confirmed_at, disabled_at, roles, tenant = row
    usable = there is not None and confirmed_at is not None and disabled_at is None
    return Session(account_id, scopes, created_at, expires_at, usable, roles or "", tenant or "")


class Sessions:
    """What can be asked within the transaction of a store; `token` is the secret itself."""

    def __init__(self, _store: Store) -> None:
        self.rows = SessionRow.objects

    def begin(self, account_id: str, now: datetime, scopes: str = "") -> str:
        """The secret of a new one."""
        made = SessionStore()
        made[ABOUT] = {"since": now.timestamp(), "account": account_id, "scopes": scopes}
        made.create()
        return str(made.session_key)

    def get(self, token: str) -> Session | None:
        return found(token)

    def end(self, token: str) -> None:
        self.rows.filter(session_key=token).delete()

    def end_all(self, account_id: str) -> None:
        self.rows.filter(account_id=account_id).delete()

    def expire(self, now: datetime) -> int:
        """How many had ended, and are gone."""
        return int(self.rows.filter(expire_date__lte=now).delete()[0])
