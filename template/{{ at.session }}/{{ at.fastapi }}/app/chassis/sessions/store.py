"""The sessions in the database."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select

from app.chassis.accounts.models import ACCOUNTS
from app.chassis.accounts.store import Store
from app.chassis.sessions import Session, digest, ends_at
from app.chassis.sessions.models import SESSIONS


def query(token: str) -> Select[Any]:
    """With the account as it is now; none without one."""
    of_the_session = (SESSIONS.c.account_id, SESSIONS.c.scopes, SESSIONS.c.created_at, SESSIONS.c.expires_at)
    of_the_account = (ACCOUNTS.c.confirmed_at, ACCOUNTS.c.disabled_at, ACCOUNTS.c.roles, ACCOUNTS.c.tenant)
    both = SESSIONS.join(ACCOUNTS, ACCOUNTS.c.id == SESSIONS.c.account_id)
    return select(*of_the_session, *of_the_account).select_from(both).where(SESSIONS.c.digest == digest(token))


def session_of(row: Any) -> Session:
    account_id, scopes, created_at, expires_at, confirmed_at, disabled_at, roles, tenant = row
    usable = confirmed_at is not None and disabled_at is None
    return Session(account_id, scopes, created_at, expires_at, usable, roles, tenant)


class Sessions:
    """What can be asked within the transaction of a store; `token` is the secret itself."""

    def __init__(self, store: Store) -> None:
        self.session, self.changed = store.session, store.changed

    def begin(self, account_id: str, now: datetime, scopes: str = "") -> str:
        """The secret of a new one."""
        token = secrets.token_urlsafe(32)
        values = {
            "digest": digest(token),
            "account_id": account_id,
            "scopes": scopes,
            "created_at": now,
            "expires_at": ends_at(now, now),
        }
        self.session.execute(insert(SESSIONS).values(values))
        return token

    def get(self, token: str) -> Session | None:
        row = self.session.execute(query(token)).first()
        return None if row is None else session_of(row)

    def end(self, token: str) -> None:
        self.changed(delete(SESSIONS).where(SESSIONS.c.digest == digest(token)))

    def end_all(self, account_id: str) -> None:
        self.changed(delete(SESSIONS).where(SESSIONS.c.account_id == account_id))

    def expire(self, now: datetime) -> int:
        """How many had ended, and are gone."""
        return self.changed(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
