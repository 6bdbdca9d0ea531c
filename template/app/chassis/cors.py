"""Cross-origin requests: refused by browsers until CORS_ORIGINS names who may make them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.exchange import Exchange, Headers, Reply
from app.chassis.settings import BaseSettings, Names, in_production, load

# As browsers send it: it is compared letter by letter.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")


class Settings(BaseSettings):
    cors_origins: Names = Field(
        (), description="Origins whose pages may call this service.", examples=["https://app.example.com"]
    )

    @field_validator("cors_origins")
    @classmethod
    def check_origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if in_production(info) and "*" in value:
            raise ValueError("name the origins when ENVIRONMENT=production")
        if any(origin != "*" and not _ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("an origin is a scheme, a host and a port in lower case, without a path or a wildcard")
        return value


EXPOSED = b"idempotency-replayed, link, location, ratelimit, ratelimit-policy, retry-after, x-request-id"
ALLOWED = (
    b"accept, authorization, content-type, idempotency-key, traceparent, x-csrf-token, x-request-id, x-request-timeout"
)
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", ALLOWED),
    (b"access-control-max-age", b"600"),
]
_CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")
_origins: frozenset[str] = frozenset()
_credentials = False


@contextmanager
def resources() -> Iterator[None]:
    from app.chassis.parts import PARTS  # noqa: PLC0415 - of which this is one

    global _origins, _credentials
    _origins = frozenset(load(Settings).cors_origins)
    _credentials = any(getattr(part, "CREDENTIALS", False) for part in PARTS)
    yield


def enter(exchange: Exchange) -> Reply | None:
    if not _origins:
        return None
    exchange.reply_headers.append((b"vary", b"Origin"))
    origin = exchange.header("origin")
    if origin is None or not (origin in _origins or "*" in _origins):
        return None
    exchange.reply_headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
    exchange.reply_headers.append((b"access-control-expose-headers", EXPOSED))
    if _credentials and origin in _origins:
        # A cookie, which a part takes for a credential.
        exchange.reply_headers.append(_CREDENTIALS)
    if exchange.method == "OPTIONS" and exchange.header("access-control-request-method") is not None:
        return Reply(204, b"", b"text/plain", _PREFLIGHT)
    return None
