"""The table of the sessions: of each secret its digest alone."""

from typing import TYPE_CHECKING, Any

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from app.chassis.accounts.models import AccountRow
from app.chassis.sessions import digest
from app.chassis.sessions.engine import SessionStore

if TYPE_CHECKING:
    Text = models.CharField[str, str]
else:
    Text = models.CharField


class Digest(str):
    """What was read: whoever deletes a row that was read asks for it with this."""

    __slots__ = ()


class Secret(Text):
    """Asked for with the secret; what is stored, and read, is its digest."""

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> Digest | None:
        return None if value is None else Digest(value)

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None else str(value) if isinstance(value, Digest) else digest(str(value))


class SessionRow(AbstractBaseSession):
    session_key = Secret(max_length=64, primary_key=True)
    # Kept when an account is switched to another way of logging in: no constraint holds the table of accounts.
    account = models.ForeignKey(AccountRow, models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    scopes = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_sessions"

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore
