"""Tokens of an OpenID provider: a signature is verified once, and the token believed until it ends.

Sources: OpenID Connect Discovery 1.0; RFC 7519 (JWT), RFC 8725 (how they are attacked), RFC 9068 (as access tokens).
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog
from pydantic import Field, ValidationInfo, field_validator

from app.chassis import identity
from app.chassis.exchange import Exchange
from app.chassis.settings import BaseSettings, load

if TYPE_CHECKING:
    from prometheus_client import Metric

    from app.chassis.keyring import Keyring

# For where nobody has set one: nothing answers there, and no token is valid.
NOWHERE: Final = "http://localhost:9000"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_BELIEVED: Final = 3600.0
"""Seconds: a token that is good for longer is verified again."""
log = structlog.get_logger()


def check_url(value: str) -> str:
    """Raises ValueError for what must not be asked for keys: whoever can answer there can let anybody in."""
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("begins with https://; only an address of this machine may do without")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("has a host, and neither a user nor a query nor a fragment")
    return value


class Settings(BaseSettings):
    oidc_issuer: str = Field(
        "",
        validate_default=True,
        description="The OpenID provider whose tokens are taken.",
        examples=["https://login.example.com/realms/acme"],
    )
    oidc_audience: str = Field(
        "",
        validate_default=True,
        max_length=255,
        description="What tokens for this service name as their audience.",
        examples=["https://api.example.com"],
    )
    oidc_leeway: int = Field(
        30, ge=0, le=300, description="Seconds that the issuer's clock may differ.", examples=["30"]
    )
    oidc_roles_claim: str = Field("roles", description="The claim with the caller's roles.", examples=["roles"])
    oidc_tenant_claim: str = Field("tenant", description="The claim with the caller's tenant.", examples=["tenant"])
    oidc_keys_ttl: float = Field(
        3600.0, ge=1, description="Seconds after which the issuer's keys are fetched again.", examples=["3600"]
    )
    oidc_keys_pause: float = Field(
        30.0, gt=0, le=3600, description="Seconds between two looks for a key that is not known.", examples=["30"]
    )

    @field_validator("oidc_issuer", "oidc_audience")
    @classmethod
    def check_set(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("environment") == "production":
            raise ValueError("is missing")
        if info.field_name == "oidc_issuer":
            return check_url(value or NOWHERE)
        return value or "anybody"


_ring: "Keyring | None" = None
_known = identity.Cache()


def ring() -> "Keyring":
    """The issuer's keys; made with the first token, as what it needs takes a tenth of a second to import."""
    global _ring
    if _ring is None:
        from app.chassis.keyring import Keyring  # noqa: PLC0415

        settings = load(Settings)
        _ring = Keyring(settings.oidc_issuer, ttl=settings.oidc_keys_ttl, pause=settings.oidc_keys_pause)
    return _ring


def identify(exchange: Exchange, token: str) -> Any:
    """Say whose token it is, or why it is refused (FastAPI: an awaitable, when the key has to be fetched).

    Nobody has to wait for trying too often: a signature cannot be guessed, and checking one costs no look-up.
    """
    digest = sha256(token.encode()).hexdigest()
    who = _known.get(digest, time.monotonic())
    if who is not None:
        identity.accept(exchange, who)
        return None
    from app.chassis import fetching, signatures  # noqa: PLC0415 - as in `ring`

    key_id = signatures.key_id(token)
    if key_id is None:
        identity.reject(exchange, "malformed")
        return None
    wait: Callable[..., Any] = fetching.known
    then = partial(judge, exchange, token, digest, key_id)
    return wait(ring(), key_id, then, partial(identity.postpone, exchange))


def judge(exchange: Exchange, token: str, digest: str, key_id: str) -> None:
    """Accept or reject, now that the key is there if the issuer has it. Raises Unavailable when nobody knows."""
    from app.chassis import signatures  # noqa: PLC0415 - as in `ring`

    settings = load(Settings)
    verdict = ring().verify(token, key_id, settings)
    if isinstance(verdict, str):
        reason, _, why = verdict.partition(": ")
        identity.reject(exchange, reason, why=why)
        return
    who = signatures.principal_of(verdict, roles=settings.oidc_roles_claim, tenant=settings.oidc_tenant_claim)
    if who is None:
        identity.reject(exchange, "malformed", why="sub")
        return
    seconds = min(float(verdict["exp"]) - time.time() + settings.oidc_leeway, MOST_BELIEVED)
    _known.put(digest, who, time.monotonic() + seconds)
    identity.accept(exchange, who)
    log.info("auth.accepted", key=key_id[:64], subject=who.subject)


def grant(subject: str, scopes: frozenset[str]) -> dict[str, str]:
    """For tests: the headers that make a request somebody's, with a key that only this process has."""
    settings = load(Settings)
    claims = {
        "iss": settings.oidc_issuer,
        "aud": settings.oidc_audience,
        "sub": subject,
        "scope": " ".join(sorted(scopes)),
        "exp": int(time.time()) + 3600,
    }
    return {"Authorization": f"Bearer {ring().sign(claims)}"}


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - only when scraped

    if _ring is None:
        return
    yield GaugeMetricFamily("oidc_keys", "Keys of the issuer that are known.", len(_ring.keys))
    fetches = CounterMetricFamily("oidc_key_fetches", "Looks for the issuer's keys.", labels=("outcome",))
    for outcome, count in _ring.fetches.items():
        fetches.add_metric((outcome,), count)
    yield fetches
