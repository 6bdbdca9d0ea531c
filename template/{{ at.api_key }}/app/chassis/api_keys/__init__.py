"""API keys: shown once, stored as a digest, believed for some seconds without asking the database again.

A key is `key_ID_SECRET`. The secret is 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess that a
slow hash would have to protect.
"""

import math
import re
import secrets
import threading
import time
from base64 import b32encode
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import Field

from app.chassis import identity
from app.chassis.auth import Principal
from app.chassis.errors import Problem
from app.chassis.exchange import Exchange
from app.chassis.proxies import network
from app.chassis.routes import SCOPE
from app.chassis.settings import BaseSettings, load

if TYPE_CHECKING:
    from prometheus_client import Metric

WINDOW_SECONDS: Final = 60.0
MOST_ADDRESSES: Final = 10_000
KEY: Final = re.compile(r"key_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
NOBODY: Final = "0" * 64
SEEN_SECONDS: Final = 60.0
"""How exactly `last_used_at` is kept: a write for each request would cost more than it tells."""
log = structlog.get_logger()


class Settings(BaseSettings):
    api_key_cache: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="Seconds that a key is believed without asking the database: so long it outlives its revocation.",
        examples=["10"],
    )
    auth_failures: int = Field(
        30,
        ge=1,
        le=1_000_000,
        description="Keys that one address may try in vain in a minute.",
        examples=["30"],
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the table; `digest` is SHA-256 of the whole key in hexadecimal, times are in UTC."""

    id: str
    digest: str
    subject: str
    tenant: str
    scopes: str
    roles: str
    note: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """One of active, revoked and expired."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def is_seen(self, now: datetime) -> bool:
        """Whether its last use need not be written down again."""
        return self.last_used_at is not None and (now - self.last_used_at).total_seconds() < SEEN_SECONDS


def made(  # noqa: PLR0913 - what a key is
    subject: str,
    *,
    scopes: frozenset[str] = frozenset(),
    roles: frozenset[str] = frozenset(),
    tenant: str = "",
    note: str = "",
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[str, Stored]:
    """A new key, and what is stored of it. Raises ValueError."""
    if identity.SUBJECT.fullmatch(subject) is None or (tenant and identity.SUBJECT.fullmatch(tenant) is None):
        raise ValueError("a subject and a tenant are 1 to 255 visible ASCII characters, like ada or acme:billing")
    for scope in scopes | roles:
        if SCOPE.fullmatch(scope) is None:
            raise ValueError(f"{scope!r} is no name of a scope or role: use visible ASCII characters without quotes")
    if not note.isprintable():
        raise ValueError("a note is one line without control characters")
    if expires_at is not None and expires_at <= now:
        raise ValueError("a key that has expired already is of no use: give more than 0")
    name = b32encode(secrets.token_bytes(10)).decode().lower()
    key = f"key_{name}_{secrets.token_urlsafe(32)}"
    listed, played = " ".join(sorted(scopes)), " ".join(sorted(roles))
    return key, Stored(name, digest(key), subject, tenant, listed, played, note[:255], now, expires_at)


def renewed(old: Stored, now: datetime, lifetime: timedelta | None) -> tuple[str, Stored]:
    """A key like this one, which lives as long as that was meant to unless it is said otherwise. Raises ValueError."""
    if old.state(now) != "active":
        raise ValueError(f"the key {old.id} is {old.state(now)}: issue another one")
    if lifetime is None and old.expires_at is not None:
        lifetime = old.expires_at - old.created_at
    return made(
        old.subject,
        scopes=frozenset(old.scopes.split()),
        roles=frozenset(old.roles.split()),
        tenant=old.tenant,
        note=old.note,
        now=now,
        expires_at=None if lifetime is None else now + lifetime,
    )


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


# -- who has it -------------------------------------------------------------------------------------------------------


class Failures:
    """How often each address tried in vain in the last minute; what is longest ago is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        with self._lock:
            begun, count = self._counts.pop(address, (now, 0))
            self._counts[address] = (now, 1) if now - begun >= WINDOW_SECONDS else (begun, count + 1)
            if len(self._counts) > MOST_ADDRESSES:
                self._counts.popitem(last=False)

    def take_back(self, address: str) -> None:
        """It was no failure."""
        with self._lock:
            begun, count = self._counts.pop(address, (0.0, 1))
            if count > 1:
                self._counts[address] = (begun, count - 1)

    def wait(self, address: str, now: float, most: int) -> float:
        """Seconds until it may try again; 0 when it may now."""
        begun, count = self._counts.get(address, (now, 0))
        return max(0.0, begun + WINDOW_SECONDS - now) if count >= most else 0.0


class TooMany(Problem):
    status = 429


_cache = identity.Cache()
_failures = Failures()
_limited = 0


def identify(exchange: Exchange, key: str) -> Any:
    """Say whose key it is, or why it is refused (FastAPI: an awaitable, when the database has to be asked)."""
    found = KEY.fullmatch(key)
    if found is None:
        identity.reject(exchange, "malformed")
        return None
    hashed = digest(key)
    who = _cache.get(hashed, time.monotonic())
    if who is not None:
        identity.accept(exchange, who)
        return None
    from app.chassis.api_keys import store  # noqa: PLC0415 - the database, which is open by now

    # A key that was right before is no guess: whoever shares an address with somebody who guesses goes on.
    address = "" if _cache.knows(hashed) else network(exchange.client)
    if address and is_limited(exchange, address):
        return None
    look_up: Callable[..., Any] = store.find
    return look_up(found[1], partial(judge, exchange, hashed, address), partial(give_up, exchange, address))


def is_limited(exchange: Exchange, address: str) -> bool:
    """Whether it tried too often; if not, this is a failure until it turns out to be none: many may try at once.

    Nobody is locked out: what others did from the same address is forgotten after a minute.
    """
    global _limited
    now = time.monotonic()
    seconds = _failures.wait(address, now, load(Settings).auth_failures)
    if not seconds:
        _failures.note(address, now)
        return False
    _limited += 1
    whole = max(1, math.ceil(seconds))
    refusal = TooMany(f"Too many credentials were refused; try again in {whole} s.")
    refusal.headers = {"Retry-After": f"{whole}"}  # type: ignore[misc]
    identity.postpone(exchange, refusal)
    return True


def give_up(exchange: Exchange, address: str, error: Problem) -> None:
    """Nobody can tell now whose key it is."""
    _failures.take_back(address)
    identity.postpone(exchange, error)


def judge(exchange: Exchange, hashed: str, address: str, stored: Stored | None) -> bool:
    """Accept or reject; whether its use is to be written down."""
    now = datetime.now(UTC)
    # Compared in any case, and as a whole: how long it takes tells nobody anything.
    if not compare_digest(hashed, NOBODY if stored is None else stored.digest) or stored is None:
        identity.reject(exchange, "unknown")
        return False
    state = stored.state(now)
    if state != "active":
        _cache.forget(hashed)
        identity.reject(exchange, state)
        return False
    scopes = frozenset(stored.scopes.split()) | identity.scopes_of(frozenset(stored.roles.split()))
    who = Principal(stored.subject, scopes, stored.tenant)
    seconds = load(Settings).api_key_cache
    for end in (stored.expires_at, stored.revoked_at):
        if end is not None:
            seconds = min(seconds, (end - now).total_seconds())
    _cache.put(hashed, who, time.monotonic() + seconds)
    _failures.take_back(address)
    identity.accept(exchange, who)
    log.info("auth.accepted", key=stored.id, subject=stored.subject)
    return not stored.is_seen(now)


def grant(subject: str, scopes: frozenset[str]) -> Any:
    """For tests: the headers that make a request somebody's (FastAPI: awaitable)."""
    from app.chassis.api_keys import store  # noqa: PLC0415 - as above

    key, stored = made(subject, scopes=scopes, now=datetime.now(UTC), expires_at=datetime.now(UTC) + timedelta(hours=1))
    headers: Mapping[str, str] = {"Authorization": f"Bearer {key}"}
    return store.add(stored, headers)


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    yield CounterMetricFamily("auth_limited", "Requests of addresses that tried in vain too often.", _limited)
