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


EXPOSED = b"link, location, retry-after, x-request-id"
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"accept, authorization, content-type, idempotency-key, traceparent, x-request-id",
    ),
    (b"access-control-max-age", b"600"),
]
_origins: frozenset[str] = frozenset()


@contextmanager
def resources() -> Iterator[None]:
    global _origins
    _origins = frozenset(load(Settings).cors_origins)
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
    if exchange.method == "OPTIONS" and exchange.header("access-control-request-method") is not None:
        return Reply(204, b"", b"text/plain", _PREFLIGHT)
    return None
