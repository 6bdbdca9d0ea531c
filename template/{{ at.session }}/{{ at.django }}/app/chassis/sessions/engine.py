"""Django's sessions in the database, extended as its documentation has it: whose they are, and when they end."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends import db

from app.chassis.sessions import ends_at

if TYPE_CHECKING:
    from app.chassis.sessions.models import SessionRow

ABOUT = "_chassis"
"""Where a session's own data has what its row tells."""


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls) -> "type[SessionRow]":
        from app.chassis.sessions.models import SessionRow  # noqa: PLC0415 - which names this module

        return SessionRow

    def _get_new_session_key(self) -> str:
        return secrets.token_urlsafe(32)

    async def _aget_new_session_key(self) -> str:
        return secrets.token_urlsafe(32)

    # Whoever logs in to Django leaves the account, and its time begins anew.

    def cycle_key(self) -> None:
        self.pop(ABOUT, None)
        super().cycle_key()

    async def acycle_key(self) -> None:
        await self.apop(ABOUT, None)
        await super().acycle_key()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        begin(data)
        return described(super().create_model_instance(data), data[ABOUT])

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        begin(data)
        return described(await super().acreate_model_instance(data), data[ABOUT])


def begin(data: dict[str, Any]) -> None:
    """Kept with the data: it is as old as it is, however often it is saved."""
    data.setdefault(ABOUT, {"since": datetime.now(UTC).timestamp()})


def described(row: Any, about: dict[str, Any]) -> Any:
    now = datetime.now(UTC)
    row.account_id, row.scopes = about.get("account"), about.get("scopes", "")
    row.created_at = datetime.fromtimestamp(about["since"], UTC)
    row.expire_date = ends_at(row.created_at, now)
    return row
