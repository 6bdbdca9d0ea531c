"""The sessions in the database, as requests meet them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from django.db import DatabaseError, InterfaceError, OperationalError

from app.chassis import database
from app.chassis.accounts.store import Store
from app.chassis.errors import Unavailable
from app.chassis.sessions import Session, headers
from app.chassis.sessions.models import SessionRow
from app.chassis.sessions.store import found


def find(
    token: str, judge: Callable[[Session | None], datetime | None], give_up: Callable[[Unavailable], None]
) -> None:
    """Let `judge` see what is stored; it says until when the session lasts, if that is to be written down."""
    # Django has not begun with this request, and may never do.
    database.renew_connection()
    try:
        ends = judge(found(token))
        if ends is not None:
            # Nobody is turned away because that could not be written.
            with suppress(DatabaseError):
                SessionRow.objects.filter(session_key=token).update(expire_date=ends)
    except (OperationalError, InterfaceError) as error:
        if not database.is_unavailable(error):
            raise
        give_up(Unavailable("The database does not answer; try again."))
    finally:
        database.renew_connection()


def give(subject: str, scopes: frozenset[str]) -> Mapping[str, str]:
    """For tests: the headers that make a request somebody's."""
    from app.chassis.sessions.flows import given  # noqa: PLC0415 - hashing, which requests do not need

    return headers(given(Store(), subject, scopes))
