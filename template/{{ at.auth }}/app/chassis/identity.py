"""What becomes of a credential, whatever kind it is: whoever checks one says here what came of it."""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import Field, field_validator

from app.chassis import about
from app.chassis.auth import Principal
from app.chassis.errors import Problem
from app.chassis.exchange import Exchange
from app.chassis.routes import SCOPE
from app.chassis.settings import BaseSettings, load

MOST_CACHED: Final = 10_000
SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""Visible ASCII, as OpenID Connect has it: what looks alike is the same, on every database."""
ACCEPTED: Final = "accepted"
REASONS: Final = ("malformed", "unknown", "expired", "revoked")
log = structlog.get_logger()


def parsed(text: str) -> dict[str, frozenset[str]]:
    """`clerk=orders:read orders:write, auditor=orders:read` as scopes by role. Raises ValueError."""
    return dict(_role(one.strip()) for one in text.split(",") if one.strip())


def _role(text: str) -> tuple[str, frozenset[str]]:
    name, _, rest = text.partition("=")
    scopes = rest.split()
    if not name.strip() or not scopes or not all(map(SCOPE.fullmatch, scopes)):
        raise ValueError(f"{text!r} is not role=scope scope")
    return name.strip(), frozenset(scopes)


class Settings(BaseSettings):
    roles: str = Field(
        "", description="Scopes by role.", examples=["clerk=orders:read orders:write,auditor=orders:read"]
    )

    @field_validator("roles")
    @classmethod
    def check_roles(cls, value: str) -> str:
        parsed(value)
        return value


class Cache:
    """Principals by the digest of a credential that was right a moment ago, at most MOST_CACHED; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def get(self, digest: str, now: float) -> Principal | None:
        until, who = self._known.get(digest, (0.0, None))
        return who if now < until else None

    def knows(self, digest: str) -> bool:
        """Whether it was right at some time, be it long ago."""
        return digest in self._known

    def forget(self, digest: str) -> None:
        with self._lock:
            self._known.pop(digest, None)

    def put(self, digest: str, who: Principal, until: float) -> None:
        with self._lock:
            self._known.pop(digest, None)
            self._known[digest] = (until, who)
            if len(self._known) > MOST_CACHED:
                self._known.popitem(last=False)


outcomes: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a credential is sent: what the OpenAPI document says of it, and what is asked for without one.

    `invalid` and `insufficient` come after that for one that is not valid, and for one without the scope.
    """

    name: str
    document: dict[str, Any]
    challenge: str
    invalid: str = ""
    insufficient: str = ""


BEARER: Final = Scheme(
    "bearer",
    {"type": "http", "scheme": "bearer"},
    f'Bearer realm="{about.NAME}"',
    ', error="invalid_token"',
    ', error="insufficient_scope", scope="{scope}"',
)
"""RFC 6750."""


def bearer(check: Callable[[Exchange, str], Any]) -> Callable[[Exchange], Any]:
    """Let `check` have the credential of those who send one."""

    def identify(exchange: Exchange) -> Any:
        header = exchange.header("authorization")
        if header is None:
            return None
        scheme, _, credential = header.partition(" ")
        if scheme.lower() == "bearer":
            return check(exchange, credential.strip())
        reject(exchange, "malformed")
        return None

    return identify


def accept(exchange: Exchange, who: Principal) -> None:
    outcomes[ACCEPTED] += 1
    exchange.principal, exchange.subject = who, who.subject


def reject(exchange: Exchange, reason: str, **details: str) -> None:
    """On a public route it makes no difference; everywhere else nobody is let in. Details are for the log."""
    exchange.rejected = reason
    outcomes[reason] += 1
    log.warning("auth.rejected", reason=reason, client=exchange.client, **details)


def scopes_of(roles: frozenset[str]) -> frozenset[str]:
    """What the roles stand for now; one that ROLES does not know stands for nothing."""
    known = parsed(load(Settings).roles)
    return frozenset().union(*(known.get(role, frozenset()) for role in roles))


def postpone(exchange: Exchange, problem: Problem) -> None:
    """Answer with this where a credential is needed: it cannot be checked now, and what is public minds nothing."""
    exchange.refusal = problem
