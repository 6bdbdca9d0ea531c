"""What happens when somebody logs in for a session, and leaves: for a thread."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from app.chassis import sessions
from app.chassis.accounts import Account, flows, passwords
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.accounts.store import Store, transact
from app.chassis.auth import principal
from app.chassis.authentication import InvalidCredential
from app.chassis.exchange import current
from app.chassis.sessions import schemas
from app.chassis.sessions.store import Sessions
from app.chassis.settings import load

log = structlog.get_logger()


class Begun(NamedTuple):
    """`token` goes into the cookie, and nowhere else."""

    token: str
    shown: schemas.SessionOut


def log_in(form: Login) -> Begun:
    """Raises Forbidden for a page of another site, Unauthenticated and TooMany."""
    exchange = current.get()
    # Or somebody would be made to work in the account of another one.
    problem = None if exchange is None else sessions.cross_site(exchange)
    if exchange is not None and problem is not None:
        sessions.note(exchange, problem)
        raise problem
    return flows.log_in(form, begin)


def change_password(form: PasswordChange) -> Begun:
    """Raises Conflict, Forbidden, Invalid and TooMany."""
    return flows.change_password(form, begin)


def begin(store: Store, account: Account) -> Begun:
    """With a new secret: the one that came with the request, if any, is of no use any more."""
    now, rows = datetime.now(UTC), Sessions(store)
    for token in came_with():
        rows.end(token)
    token = rows.begin(account.id, now)
    return Begun(token, shown(token, now))


def came_with() -> list[str]:
    exchange = current.get()
    return [] if exchange is None else sessions.sent_with(exchange)


def shown(token: str, created_at: datetime) -> schemas.SessionOut:
    settings = load(sessions.Settings)
    return schemas.SessionOut(
        csrf_token=sessions.csrf_token(token),
        expires_at=created_at + timedelta(seconds=settings.session_ttl),
        idle_seconds=settings.session_idle_ttl,
    )


def present() -> schemas.SessionOut:
    """The session of this request. Raises InvalidCredential when it has just ended."""
    (token,) = came_with()
    session = transact(lambda store: Sessions(store).get(token))
    if session is None:
        raise InvalidCredential("The credential is not valid.")
    return shown(token, session.created_at)


def log_out(form: schemas.Logout) -> None:
    subject = principal().subject

    def end(store: Store) -> None:
        rows = Sessions(store)
        if form.everywhere:
            rows.end_all(subject)
        for token in came_with():
            rows.end(token)

    transact(end)
    log.info("auth.logged_out", subject=subject, everywhere=form.everywhere)


def given(store: Store, subject: str, scopes: frozenset[str]) -> str:
    """For tests: the secret of a session of an account that is made if there is none."""
    now = datetime.now(UTC)
    if store.account(key=subject) is None:
        store.add(Account(subject, subject, passwords.nobody(), "", "", now, now))
    return Sessions(store).begin(subject, now, " ".join(sorted(scopes)))
