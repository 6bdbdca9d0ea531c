"""The security floor: hosts that may be asked for, a limit on bodies, headers that every reply carries."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.errors import problem_reply
from app.chassis.exchange import Exchange, Headers, Reply
from app.chassis.settings import BaseSettings, Names, in_production, load

LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_HOST: Final = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)


class Settings(BaseSettings):
    allowed_hosts: Names = Field(
        LOCAL,
        validate_default=True,
        description="Host names that are answered to; a leading dot allows subdomains.",
        examples=["api.example.com,.internal.example.com"],
    )
    body_limit: int = Field(1 << 20, gt=0, description="Largest request body, in bytes.", examples=["1048576"])
    docs_enabled: bool | None = Field(
        None, description="Serve /docs and /openapi.json; by default not in production.", examples=["true"]
    )

    @field_validator("allowed_hosts")
    @classmethod
    def check_hosts(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if any(host != "*" and not _HOST.fullmatch(host) for host in value):
            raise ValueError("a host is a name or an address, without a scheme, a port or a path")
        if in_production(info) and ("*" in value or {host.lower() for host in value} <= set(LOCAL)):
            raise ValueError("name the hosts when ENVIRONMENT=production: no wildcard, not only localhost")
        return value


def docs_enabled() -> bool:
    settings = load(Settings)
    return settings.environment != "production" if settings.docs_enabled is None else settings.docs_enabled


# Nothing that an API answers is meant to be rendered; pages of our own may load what we serve, and nothing else.
API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY: Final = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PAGES: Final = frozenset({"/docs", "/admin"})
UNDER_PAGES: Final = ("/docs/", "/admin/", "/static/")
_BASE: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

_limit = 0
# None until the settings are read: the edge answers while the rest still starts.
_hosts: tuple[str, ...] | None = None
_api_headers: Headers = []
_page_headers: Headers = []
# Host headers that were found good, so that the common case is one look-up; only good ones, so it stays small.
_good_hosts: set[str] = set()


@contextmanager
def resources() -> Iterator[None]:
    global _limit, _hosts, _api_headers, _page_headers
    settings = load(Settings)
    _limit, _hosts = settings.body_limit, tuple(host.lower() for host in settings.allowed_hosts)
    _good_hosts.clear()
    base = [*_BASE, _HSTS] if settings.environment == "production" else _BASE
    _api_headers = [*base, (b"referrer-policy", b"no-referrer"), (b"content-security-policy", API_POLICY)]
    # Under no-referrer a browser sends a form with `Origin: null`, which no CSRF check can accept.
    _page_headers = [*base, (b"referrer-policy", b"same-origin"), (b"content-security-policy", PAGE_POLICY)]
    yield


def enter(exchange: Exchange) -> Reply | None:
    path = exchange.path
    exchange.reply_headers += _page_headers if path.startswith(UNDER_PAGES) or path in PAGES else _api_headers
    exchange.body_limit = _limit
    host = exchange.header("host")
    if _hosts is None:
        # A 400 would be the last word, and who sends it again a moment later would be served.
        return problem_reply(503, "The service is starting.")
    if host not in _good_hosts and not _admit(host, _hosts):
        return problem_reply(400, "The Host header names no host of this service; see ALLOWED_HOSTS.")
    return None


def _admit(host: str | None, hosts: tuple[str, ...]) -> bool:
    if host is None or not any(_matches(_without_port(host.lower()), pattern) for pattern in hosts):
        return False
    if len(_good_hosts) < 1000:
        _good_hosts.add(host)
    return True


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("."):
        return host == pattern[1:] or host.endswith(pattern)
    return pattern in {"*", host}
