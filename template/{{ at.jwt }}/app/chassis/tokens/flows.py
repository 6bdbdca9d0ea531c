"""What happens when somebody logs in for tokens, comes back for others and leaves: for a thread."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import structlog

from app.chassis import accounts, tokens
from app.chassis.accounts import Account, flows
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.accounts.store import Store, transact
from app.chassis.authentication import InvalidCredential
from app.chassis.settings import load
from app.chassis.tokens import Refresh, schemas
from app.chassis.tokens.store import RefreshTokens

log = structlog.get_logger()


def log_in(form: Login) -> schemas.Tokens:
    """Raises Unauthenticated and TooMany."""
    return flows.log_in(form, begin)


def change_password(form: PasswordChange) -> schemas.Tokens:
    """Raises Conflict, Forbidden, Invalid and TooMany."""
    return flows.change_password(form, begin)


def begin(store: Store, account: Account) -> schemas.Tokens:
    """With a new family of refresh tokens."""
    now = datetime.now(UTC)
    token = secrets.token_urlsafe(32)
    expires = now + timedelta(seconds=load(tokens.Settings).refresh_ttl)
    RefreshTokens(store).add(Refresh(digest(token), str(uuid4()), account.id, now, expires))
    return pair(account, token)


def pair(account: Account, refresh: str) -> schemas.Tokens:
    access, seconds = tokens.keys().issue(
        load(tokens.Settings),
        subject=account.id,
        scopes=accounts.scopes_of(account.roles),
        roles=accounts.words(account.roles),
        tenant=account.tenant,
    )
    return schemas.Tokens(access_token=access, expires_in=seconds, refresh_token=refresh)


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def refresh(form: schemas.RefreshToken) -> schemas.Tokens:
    """Another pair for a refresh token, which is good once. Raises InvalidCredential.

    One that comes a second time is in two hands, and nobody knows whose come first: its whole family ends.
    """
    now = datetime.now(UTC)
    new = secrets.token_urlsafe(32)

    def exchange(store: Store) -> tuple[str, Account | None]:
        return exchanged(store, RefreshTokens(store), digest(form.refresh_token), digest(new), now)

    # What it comes to is returned, not raised: a family that ends has to be committed.
    outcome, account = transact(exchange)
    tokens.refreshes[outcome] += 1
    if account is None:
        log.warning("auth.refresh_refused", reason=outcome)
        raise InvalidCredential("The refresh token is not valid: log in again.")
    return pair(account, new)


def exchanged(store: Store, rows: RefreshTokens, old: str, new: str, now: datetime) -> tuple[str, Account | None]:
    rows.lock(old)
    # Of two at the same time one finds that the other has used it.
    unused = rows.use(old, now)
    row = rows.get(old)
    if row is None:
        return "unknown", None
    if row.revoked_at is not None:
        return "revoked", None
    if not unused:
        rows.revoke_family(row.family, now)
        log.warning("auth.refresh_reused", subject=row.account_id, family=row.family)
        return "reused", None
    if row.expires_at <= now:
        return "expired", None
    account = store.account(key=row.account_id)
    if account is None or not account.usable:
        return "revoked", None
    rows.add(replace(row, digest=new, created_at=now, used_at=None))
    return "ok", account


def log_out(form: schemas.Logout) -> None:
    """End the family of this token, or all of the account; of one that is not known there is nothing to end.

    All of it only with a token that is still good: an old one, found somewhere, ends what came of it.
    """
    now, ended = datetime.now(UTC), digest(form.refresh_token)

    def end(store: Store) -> str:
        rows = RefreshTokens(store)
        rows.lock(ended)
        row = rows.get(ended)
        if row is None or row.revoked_at is not None:
            return ""
        if form.everywhere and row.used_at is None and row.expires_at > now:
            rows.revoke_account(row.account_id, now)
        else:
            rows.revoke_family(row.family, now)
        return row.account_id

    subject = transact(end)
    if subject:
        log.info("auth.logged_out", subject=subject, everywhere=form.everywhere)
