"""Sessions of those who have logged in to an account: a cookie with a random secret, and its digest in the database.

A browser sends its cookies with whatever page makes it ask: so what changes something has to come from a page of this
service, or of CORS_ORIGINS, and to carry a token that only such a page can read.

Sources: RFC 6265bis (`__Host-`), OWASP's cheat sheets on session management and on cross-site request forgery.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import Field, ValidationInfo, field_validator

from app.chassis import about, accounts, cors, identity
from app.chassis.auth import Principal
from app.chassis.errors import Forbidden
from app.chassis.exchange import Exchange
from app.chassis.routes import policy_of
from app.chassis.settings import BaseSettings, load
from app.chassis.settings import Settings as ChassisSettings

if TYPE_CHECKING:
    from prometheus_client import Metric

COOKIE: Final = "__Host-session"
"""Browsers take a cookie of such a name only if it is Secure, of the whole host and of no other one."""
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
SCHEME: Final = identity.Scheme(
    "session",
    {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Methods other than GET and HEAD need the session's X-CSRF-Token, too.",
    },
    f'Cookie realm="{about.NAME}", form-action="/v1/auth/sessions", cookie-name="{COOKIE}"',
)
CREDENTIALS: Final = True
"""Pages of CORS_ORIGINS may send the cookie."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SEEN_SECONDS: Final = 60.0
"""How exactly the last request of a session is known: a write for each one would cost more than it tells."""
log = structlog.get_logger()


class Settings(BaseSettings):
    session_idle_ttl: int = Field(
        3600, ge=1, description="Seconds without a request after which a session ends.", examples=["3600"]
    )
    session_ttl: int = Field(
        86_400,
        ge=1,
        validate_default=True,
        description="Seconds after which one has to log in again.",
        examples=["86400"],
    )

    @field_validator("session_ttl")
    @classmethod
    def check_order(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("session_idle_ttl", 0):
            raise ValueError("is less than SESSION_IDLE_TTL: give at least as much")
        return value


@dataclass(frozen=True, slots=True)
class Session:
    """What the database knows of one, and of its account as it is now; times are in UTC.

    `account_id` is None for one that somebody has who has not logged in; `scopes` are what it may do beside what its
    account may.
    """

    account_id: str | None
    scopes: str
    created_at: datetime
    expires_at: datetime
    usable: bool
    roles: str
    tenant: str


def ends_at(created_at: datetime, now: datetime) -> datetime:
    """When a session ends if nobody uses it any more after now."""
    settings = load(Settings)
    idle, absolute = timedelta(seconds=settings.session_idle_ttl), timedelta(seconds=settings.session_ttl)
    return min(now + idle, created_at + absolute)


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """What a page of the session has to send along; who only has the database cannot tell it."""
    key = load(ChassisSettings).secret_key.get_secret_value().encode()
    return hmac.digest(key, f"sessions: csrf {token}".encode(), "sha256").hex()


# -- who has it --------------------------------------------------------------------------------------------------------


_noted = identity.Cache()
_cross_site = 0


def identify(exchange: Exchange) -> Any:
    """Say whose session it is, or why it is refused (FastAPI: an awaitable, when the database has to be asked)."""
    # Nobody may keep what one of them has got for another one.
    exchange.reply_headers.append((b"vary", b"Cookie"))
    sent = sent_with(exchange)
    if not sent:
        return None
    if len(sent) > 1 or TOKEN.fullmatch(sent[0]) is None:
        identity.reject(exchange, "malformed")
        return None
    from app.chassis.sessions import edge  # noqa: PLC0415 - the database, which is open by now

    look_up: Callable[..., Any] = edge.find
    return look_up(sent[0], partial(judge, exchange, sent[0]), partial(identity.postpone, exchange))


def sent_with(exchange: Exchange) -> list[str]:
    """The secrets of a request; a browser sends one at most."""
    # Of ASCII alone: to a browser a name that begins with another kind of space is another name.
    pairs = (pair.strip(" \t").partition("=") for pair in (exchange.header("cookie") or "").split(";"))
    return [value for name, _, value in pairs if name == COOKIE]


def judge(exchange: Exchange, token: str, session: Session | None) -> datetime | None:
    """Accept or reject; until when it lasts now, if that is to be written down."""
    now = datetime.now(UTC)
    if session is None:
        identity.reject(exchange, "unknown")
        return None
    # Whichever comes first: SESSION_TTL may be less than it was.
    ends = ends_at(session.created_at, now)
    if min(session.expires_at, ends) <= now:
        identity.reject(exchange, "expired")
        return None
    if session.account_id is not None and not session.usable:
        identity.reject(exchange, "revoked")
        return None
    if session.account_id is not None and not admit(exchange, token, session.account_id, session):
        return None
    return ends if (ends - session.expires_at).total_seconds() >= min(SEEN_SECONDS, idle() / 2) else None


def idle() -> int:
    """Seconds."""
    return load(Settings).session_idle_ttl


def longest() -> int:
    """Seconds."""
    return load(Settings).session_ttl


def admit(exchange: Exchange, token: str, subject: str, session: Session) -> bool:
    problem = forged(exchange, token)
    if problem is not None:
        # Where anybody may ask nobody in particular does; everywhere else this is the answer.
        if policy_of(exchange).scope is not None:
            note(exchange, problem)
        identity.postpone(exchange, problem)
        return False
    scopes = accounts.scopes_of(session.roles) | accounts.words(session.scopes)
    who = Principal(subject, scopes, session.tenant)
    identity.accept(exchange, who)
    hashed, now = digest(token), time.monotonic()
    if _noted.get(hashed, now) is None:
        _noted.put(hashed, who, now + SEEN_SECONDS)
        log.info("auth.accepted", subject=subject)
    return True


class Forged(Forbidden):
    """`reason` is origin or token."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def forged(exchange: Exchange, token: str) -> Forged | None:
    """What is wrong with a request that a page of somebody else may have made."""
    if exchange.method in SAFE:
        # A page cannot send the token with a WebSocket, which may change something all the same.
        return None if exchange.header("sec-websocket-version") is None else cross_site(exchange)
    problem = cross_site(exchange)
    if problem is None and not hmac.compare_digest(
        (exchange.header("x-csrf-token") or "").encode(), csrf_token(token).encode()
    ):
        problem = Forged("token", "Send the session's token as X-CSRF-Token.")
    return problem


def cross_site(exchange: Exchange) -> Forged | None:
    """What is wrong with where a request comes from; who sends neither header is no browser."""
    origin = exchange.header("origin")
    if origin is None:
        fits = exchange.header("sec-fetch-site") in {None, "same-origin", "none"}
    else:
        fits = is_own(origin, exchange.header("host") or "") or origin in load(cors.Settings).cors_origins
    return None if fits else Forged("origin", "This was sent by a page of another site.")


def is_own(origin: str, host: str) -> bool:
    scheme, _, name = origin.partition("://")
    # What speaks for this service speaks TLS, wherever that ends; in development nothing does.
    secure = scheme == "https" or load(ChassisSettings).environment != "production"
    return secure and name.lower() == host.lower() != ""


def note(exchange: Exchange, problem: Forged) -> None:
    global _cross_site
    _cross_site += 1
    log.warning("auth.cross_site", reason=problem.reason, client=exchange.client)


def grant(subject: str, scopes: frozenset[str]) -> Any:
    """For tests: the headers that make a request somebody's (FastAPI: awaitable)."""
    from app.chassis.sessions import edge  # noqa: PLC0415 - as above

    return edge.give(subject, scopes)


def headers(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}", "X-CSRF-Token": csrf_token(token)}


# -- what is said of it ------------------------------------------------------------------------------------------------


def cookie() -> dict[str, Any]:
    """How the cookie is set, and taken away."""
    return {"key": COOKIE, "path": "/", "secure": True, "httponly": True, "samesite": "lax"}


def routers() -> list[Any]:
    """The service's routes that this part brings."""
    from app.chassis.sessions.api import routers as found  # noqa: PLC0415 - the framework is there by now

    return found


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    yield CounterMetricFamily("auth_cross_site", "Requests that a page of another site may have made.", _cross_site)
