"""The tokens that this service issues to whoever logs in to an account.

An access token is signed, short-lived and believed without asking the database; a refresh token is a random secret of
which the database has the digest, and is good once.

Sources: RFC 9068 (access tokens), RFC 9700 section 4.14 (refresh tokens).
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import Field, ValidationInfo, field_validator

from app.chassis import about, identity
from app.chassis.exchange import Exchange
from app.chassis.settings import BaseSettings, in_production, load

if TYPE_CHECKING:
    from prometheus_client import Metric

    from app.chassis.tokens.signing import Keys

MOST_BELIEVED: Final = 3600.0
"""Seconds: what is good for longer was not issued here as it is configured now, and is verified again."""
log = structlog.get_logger()


class Settings(BaseSettings):
    jwt_keys: Path | None = Field(
        None,
        validate_default=True,
        description="The folder with the private keys, *.pem: the last by name signs, all of them verify.",
        examples=["/run/secrets/jwt"],
    )
    jwt_issuer: str = Field(
        about.NAME, max_length=255, description="What tokens name as their issuer.", examples=[about.NAME]
    )
    jwt_audience: str = Field(
        about.NAME, max_length=255, description="What tokens name as their audience.", examples=[about.NAME]
    )
    access_ttl: int = Field(
        600,
        ge=1,
        le=3600,
        description="Seconds that an access token is good for: so long it outlives a logout.",
        examples=["600"],
    )
    refresh_ttl: int = Field(
        30 * 86_400, ge=1, description="Seconds after which one has to log in again.", examples=["2592000"]
    )

    @field_validator("jwt_keys")
    @classmethod
    def check_keys(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            if in_production(info):
                raise ValueError("is missing: `python -m app.chassis.tokens.manage FOLDER` makes a key")
            return None
        from app.chassis.tokens import signing  # noqa: PLC0415 - not for those who have none

        signing.keys_in(value)
        return value


@dataclass(frozen=True, slots=True)
class Refresh:
    """A row: the SHA-256 of a refresh token in hexadecimal; those that came of one login are a family."""

    digest: str
    family: str
    account_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


# -- who has a token ---------------------------------------------------------------------------------------------------


_keys: "Keys | None" = None
_making = threading.Lock()
_known = identity.Cache()


def keys() -> "Keys":
    """What signs and verifies; made with the first token, as what it needs takes a tenth of a second to import."""
    global _keys
    if _keys is None:
        from app.chassis.tokens.signing import Keys  # noqa: PLC0415

        with _making:
            _keys = _keys or Keys(load(Settings).jwt_keys)
    return _keys


@contextmanager
def resources() -> Iterator[None]:
    """Keys that cannot be read stop the start, not a request."""
    if load(Settings).jwt_keys is not None:
        keys()
    yield


def identify(exchange: Exchange, token: str) -> None:
    """Say whose token it is, or why it is refused; its signature is verified once.

    Nobody has to wait for trying too often: a signature cannot be guessed, and checking one costs no look-up.
    """
    ring = keys()
    # Of these keys: what others signed is not believed any more when they are gone.
    digest = f"{ring.look()} {sha256(token.encode()).hexdigest()}"
    who = _known.get(digest, time.monotonic())
    if who is not None:
        identity.accept(exchange, who)
        return
    verdict = ring.verify(token, load(Settings))
    if isinstance(verdict, str):
        reason, _, why = verdict.partition(": ")
        identity.reject(exchange, reason, why=why)
        return
    who, seconds = verdict
    _known.put(digest, who, time.monotonic() + min(seconds, MOST_BELIEVED))
    identity.accept(exchange, who)
    log.info("auth.accepted", subject=who.subject)


def grant(subject: str, scopes: frozenset[str]) -> dict[str, str]:
    """For tests: the headers that make a request somebody's; no account is needed for it."""
    token, _ = keys().issue(load(Settings), subject=subject, scopes=scopes, roles=frozenset(), tenant="")
    return {"Authorization": f"Bearer {token}"}


def routers() -> list[Any]:
    """The service's routes that this part brings."""
    from app.chassis.tokens.api import routers as found  # noqa: PLC0415 - the framework is there by now

    return found


refreshes: Counter[str] = Counter()


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily("auth_refreshes", "Refresh tokens.", labels=("outcome",))
    for outcome in ("ok", "unknown", "expired", "revoked", "reused"):
        family.add_metric((outcome,), refreshes[outcome])
    yield family
