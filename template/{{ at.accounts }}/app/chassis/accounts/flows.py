"""What happens when somebody registers, logs in and looks after an account: for a thread, each in a transaction."""

import base64
import hmac
import math
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final, Self, TypeVar
from uuid import uuid4

import pyotp
import structlog
from cryptography.fernet import Fernet, InvalidToken

from app.chassis import about, accounts, credentials
from app.chassis.accounts import Account, Registered, attempts, passwords, schemas
from app.chassis.accounts.attempts import Attempts, Seen
from app.chassis.accounts.store import Store, transact
from app.chassis.auth import principal
from app.chassis.authentication import InvalidCredential, Unauthenticated
from app.chassis.errors import Conflict, Forbidden, Problem, Unavailable
from app.chassis.exchange import current
from app.chassis.proxies import network
from app.chassis.settings import Settings as ChassisSettings
from app.chassis.settings import load

Begun = TypeVar("Begun")
Begin = Callable[[Store, Account], Begun]
"""What a login begins, in the transaction that has seen the account, and what whoever logs in gets of it."""
STEP_SECONDS: Final = 30
log = structlog.get_logger()


class TooMany(Problem):
    status = 429


# -- how often somebody may try ----------------------------------------------------------------------------------------


_attempts = Attempts()
_trusted = Seen()


def where() -> str:
    exchange = current.get()
    return "" if exchange is None else network(exchange.client)


class Guess:
    """One attempt to be `name`: it counts as a failure until it is said to be none. Raises TooMany.

    `with Guess(name) as guess:` says so of what ends in any other way than a refusal: it showed nothing.
    """

    def __init__(self, name: str) -> None:
        network = where()
        self.name, self.pair, self.network = f"name {name}", f"pair {name} {network}", f"network {network}"
        rules = {self.pair: attempts.PAIR}
        # Whoever logged in from here before does not wait for those who guess elsewhere, or at others.
        if self.pair not in _trusted:
            rules |= {self.name: attempts.ACCOUNT, self.network: attempts.NETWORK}
        self.keys: tuple[str, ...] = tuple(rules)
        seconds = _attempts.begin(rules)
        if seconds:
            raise too_many(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, Unauthenticated | Forbidden):
            self.was_none()

    def was_right(self) -> None:
        self.was_none()
        _attempts.forget(self.pair)
        _trusted.add(self.pair)

    def was_none(self) -> None:
        """Neither right nor wrong; to be said once."""
        keys, self.keys = self.keys, ()
        _attempts.take_back(*keys)


def too_many(seconds: float) -> TooMany:
    accounts.logins["limited"] += 1
    whole = max(1, math.ceil(seconds))
    problem = TooMany(f"Too many attempts; try again in {whole} s.")
    problem.headers = {"Retry-After": f"{whole}"}  # type: ignore[misc]
    return problem


# -- registering -------------------------------------------------------------------------------------------------------


def register(form: schemas.Registration) -> schemas.Accepted:
    """Raises Forbidden, Invalid and TooMany; a name that is taken is no failure that anybody sees."""
    rule = load(accounts.Settings).registration
    if rule == "closed":
        raise Forbidden("Accounts are made by the operators of this service.")
    passwords.check(form.password, form.name, "#/password")
    key = f"registrations {where()}"
    seconds = _attempts.begin({key: attempts.NETWORK})
    if seconds:
        raise too_many(seconds)
    try:
        account = made(form.name, form.password, confirmed=rule != "confirmed")
        # Whoever comes first has a name for good only once it is confirmed.
        taken = not transact(lambda store: store.add(account) or store.replace(account))
    except Unavailable:
        _attempts.take_back(key)
        raise
    log.info("auth.registered", subject="" if taken else account.id, taken=taken)
    for hook in accounts.hooks:
        try:
            hook(Registered("" if taken else account.id, form.name, taken))
        except Exception:  # the account is there, whatever becomes of the mail
            log.exception("auth.hook_failed")
    return schemas.Accepted()


def made(name: str, password: str, *, roles: str = "", tenant: str = "", confirmed: bool = True) -> Account:
    now = datetime.now(UTC)
    return Account(str(uuid4()), name, passwords.hashed(password), roles, tenant, now, now if confirmed else None)


def confirm(subject: str) -> bool:
    """Let this account be used, with REGISTRATION=confirmed; False if there is none that waits for it. For a thread."""
    return transact(lambda store: store.confirm(subject, datetime.now(UTC)))


# -- logging in --------------------------------------------------------------------------------------------------------


def log_in(form: schemas.Login, begin: Begin[Begun]) -> Begun:
    """What `begin` returns. Raises Unauthenticated, the same for all but a missing second factor, and TooMany."""
    with Guess(form.name) as guess:
        account, better = authenticated(form.name, form.password)
        if account is None:
            raise refused("wrong", form.name)
        if account.totp_confirmed:
            if form.code is None:
                guess.was_none()
                accounts.logins["code_missing"] += 1
                raise Unauthenticated("This account has a second factor: send its code, too.", code_required=True)
            if not takes_code(account, form.code):
                raise refused("code_wrong", form.name)
        guess.was_right()
        begun = transact(lambda store: if_as_seen(store, account, begin, better))
        if begun is None:
            # Meanwhile its password was changed, or it was disabled: what was right is so no more.
            raise refused("wrong", form.name)
    accounts.logins["ok"] += 1
    log.info("auth.logged_in", subject=account.id, second_factor=account.totp_confirmed)
    return begun


def authenticated(name: str, password: str) -> tuple[Account | None, str | None]:
    """The account whose password it is, and a better hash of it if there is one; takes as long if there is none."""
    account = transact(lambda store: store.account(name=name))
    usable = account is not None and account.usable
    right, better = passwords.verified(password, account.password if account is not None else None)
    return (account, better) if right and usable else (None, None)


def refused(outcome: str, name: str) -> Unauthenticated:
    accounts.logins[outcome] += 1
    exchange = current.get()
    # Of the name only what two lines can be compared by: people type their password into the wrong field.
    named = hmac.digest(_secret("names"), name.encode(), "sha256").hex()[:12]
    log.warning("auth.login_refused", reason=outcome, name_digest=named, client=exchange.client if exchange else "")
    return Unauthenticated("The name, the password or the code is wrong.")


def if_as_seen(store: Store, account: Account, begin: Begin[Begun], better: str | None = None) -> Begun | None:
    """Begin with a better hash of its password, if there is one; None if the account is not as it was seen."""
    store.lock(account.id)
    if secured(store.account(key=account.id)) != secured(account):
        return None
    if better is not None:
        store.change(account.id, password=better)
    return begin(store, account)


def secured(account: Account | None) -> tuple[object, ...]:
    """What a login depends on."""
    if account is None or not account.usable:
        return ()
    return account.password, account.totp_confirmed, account.totp_secret


# -- looking after one's account ---------------------------------------------------------------------------------------


def me() -> schemas.Me:
    account = own()
    return schemas.Me(
        subject=account.id,
        name=account.name,
        scopes=sorted(principal().scopes),
        second_factor=account.totp_confirmed,
    )


def own() -> Account:
    """The caller's account, as it is now. Raises InvalidCredential when it is gone, or must not be used any more."""
    subject = principal().subject
    account = transact(lambda store: store.account(key=subject))
    if account is None or not account.usable:
        raise InvalidCredential("The credential is not valid.")
    return account


def confirmed(password: str) -> Account:
    """The caller's account, whose password this is: a stolen access token alone changes nothing. Raises Forbidden."""
    account = own()
    with Guess(account.name) as guess:
        right, _ = passwords.verified(password, account.password)
        if not right:
            log.warning("auth.password_refused", subject=account.id)
            raise Forbidden("The password is wrong.")
        guess.was_right()
    return account


def change_password(form: schemas.PasswordChange, begin: Begin[Begun]) -> Begun:
    """What `begin` returns; all logins before it end. Raises Conflict, Forbidden, Invalid and TooMany."""
    account = confirmed(form.current_password)
    passwords.check(form.new_password, account.name, "#/new_password")
    hashed = passwords.hashed(form.new_password)

    def change(store: Store, seen: Account) -> Begun:
        store.change(seen.id, password=hashed)
        credentials.end_logins(store, seen.id, datetime.now(UTC))
        return begin(store, replace(seen, password=hashed))

    begun = transact(lambda store: if_as_seen(store, account, change))
    if begun is None:
        raise Conflict("The account has changed meanwhile.")
    log.info("auth.password_changed", subject=account.id)
    return begun


# -- the second factor -------------------------------------------------------------------------------------------------


@cache
def _secret(purpose: str) -> bytes:
    """256 bits for one purpose alone; others when SECRET_KEY is another."""
    key = load(ChassisSettings).secret_key.get_secret_value().encode()
    return hmac.digest(key, f"accounts: {purpose}".encode(), "sha256")


@cache
def _cipher() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_secret("second factors")))


def add_second_factor(form: schemas.PasswordAgain) -> schemas.SecondFactor:
    """A secret, which counts once its owner has sent a code of it. Raises Conflict, Forbidden and TooMany."""
    account = confirmed(form.password)
    if account.totp_confirmed:
        raise Conflict("This account has a second factor: remove that first.")
    secret = pyotp.random_base32()
    kept = _cipher().encrypt(secret.encode()).decode()

    def add(store: Store) -> bool:
        store.lock(account.id)
        fresh = store.account(key=account.id)
        return (
            fresh is not None and not fresh.totp_confirmed and store.change(account.id, totp_secret=kept, totp_used=0)
        )

    if not transact(add):
        raise Conflict("This account has a second factor: remove that first.")
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.name, issuer_name=about.NAME)
    return schemas.SecondFactor(secret=secret, uri=uri)


def confirm_second_factor(form: schemas.CodeOnly) -> None:
    """Raises Conflict, Forbidden and TooMany."""
    account = own()
    if account.totp_confirmed or not account.totp_secret:
        raise Conflict("There is no second factor to confirm.")
    with Guess(account.name) as guess:
        if not takes_code(account, form.code):
            raise Forbidden("The code is wrong.")
        guess.was_right()

    def confirm(store: Store) -> bool:
        store.lock(account.id)
        # Of the secret that the code is of, and no other.
        return secured(store.account(key=account.id)) == secured(account) and store.change(
            account.id, totp_confirmed=True
        )

    if not transact(confirm):
        raise Conflict("The account has changed meanwhile.")
    log.info("auth.second_factor_added", subject=account.id)


def remove_second_factor(form: schemas.SecondFactorRemoval) -> None:
    """Both factors are needed: who lost the second one asks an operator. Raises Forbidden and TooMany."""
    account = confirmed(form.password)
    if account.totp_confirmed:
        with Guess(account.name) as guess:
            if not takes_code(account, form.code):
                raise Forbidden("The code is wrong.")
            guess.was_right()
    transact(lambda store: store.change(account.id, **NO_SECOND_FACTOR))
    log.info("auth.second_factor_removed", subject=account.id)


NO_SECOND_FACTOR: Final = {"totp_secret": "", "totp_confirmed": False, "totp_used": 0}


def takes_code(account: Account, code: str) -> bool:
    """Whether it is the code of now or of one step before or after, and was not taken already: each is good once."""
    try:
        totp = pyotp.TOTP(_cipher().decrypt(account.totp_secret.encode()).decode())
    except InvalidToken:
        log.error("auth.second_factor_unreadable", subject=account.id)  # noqa: TRY400 - it says it all
        return False
    now = int(datetime.now(UTC).timestamp()) // STEP_SECONDS
    for step in (now - 1, now, now + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            return transact(lambda store: store.take_step(account.id, step))  # noqa: B023 - called at once
    return False
