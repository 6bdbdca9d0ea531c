"""The refresh tokens in the database."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Final

from django.db.models import F, Q

from app.chassis.accounts.store import Store
from app.chassis.tokens import Refresh
from app.chassis.tokens.models import RefreshRow

COLUMNS: Final = [field.name for field in fields(Refresh)]


class RefreshTokens:
    """What can be asked within the transaction of a store."""

    def __init__(self, store: Store) -> None:
        self.accounts, self.rows = store.rows, RefreshRow.objects

    def lock(self, digest: str) -> None:
        """Lock the account that it is of, as `Store.lock` does."""
        whose = self.rows.filter(digest=digest).values("account_id")
        self.accounts.filter(id__in=whose).update(totp_used=F("totp_used"))

    def get(self, digest: str) -> Refresh | None:
        row = self.rows.filter(digest=digest).values(*COLUMNS).first()
        return None if row is None else Refresh(**row)

    def add(self, row: Refresh) -> None:
        self.rows.create(**asdict(row))

    def use(self, digest: str, now: datetime) -> bool:
        """Whether nobody has used it before."""
        return self.rows.filter(digest=digest, used_at=None).update(used_at=now) == 1

    def revoke_family(self, family: str, now: datetime) -> None:
        self.rows.filter(family=family).update(revoked_at=now)

    def revoke_account(self, key: str, now: datetime) -> None:
        self.rows.filter(account_id=key).update(revoked_at=now)

    def expire(self, now: datetime) -> int:
        """How many were of no use any more, and are gone."""
        return self.rows.filter(Q(expires_at__lte=now) | Q(revoked_at__lte=now)).delete()[0]
