"""The refresh tokens in the database."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from app.chassis.accounts.models import ACCOUNTS
from app.chassis.accounts.store import Store
from app.chassis.tokens import Refresh
from app.chassis.tokens.models import REFRESH_TOKENS


class RefreshTokens:
    """What can be asked within the transaction of a store."""

    def __init__(self, store: Store) -> None:
        self.session, self.changed = store.session, store.changed

    def lock(self, digest: str) -> None:
        """Lock the account that it is of, as `Store.lock` does."""
        whose = select(REFRESH_TOKENS.c.account_id).where(REFRESH_TOKENS.c.digest == digest)
        self.changed(update(ACCOUNTS).where(ACCOUNTS.c.id.in_(whose)).values(totp_used=ACCOUNTS.c.totp_used))

    def get(self, digest: str) -> Refresh | None:
        row = self.session.execute(select(REFRESH_TOKENS).where(REFRESH_TOKENS.c.digest == digest)).mappings().first()
        return None if row is None else Refresh(**row)

    def add(self, row: Refresh) -> None:
        self.session.execute(insert(REFRESH_TOKENS).values(asdict(row)))

    def use(self, digest: str, now: datetime) -> bool:
        """Whether nobody has used it before."""
        unused = REFRESH_TOKENS.c.digest == digest, REFRESH_TOKENS.c.used_at.is_(None)
        return self.changed(update(REFRESH_TOKENS).where(*unused).values(used_at=now)) == 1

    def revoke_family(self, family: str, now: datetime) -> None:
        self.changed(update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.family == family).values(revoked_at=now))

    def revoke_account(self, key: str, now: datetime) -> None:
        self.changed(update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.account_id == key).values(revoked_at=now))

    def expire(self, now: datetime) -> int:
        """How many were of no use any more, and are gone."""
        ended = or_(REFRESH_TOKENS.c.expires_at <= now, REFRESH_TOKENS.c.revoked_at <= now)
        return self.changed(delete(REFRESH_TOKENS).where(ended))
