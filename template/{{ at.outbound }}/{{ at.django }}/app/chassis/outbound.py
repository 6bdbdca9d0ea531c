"""Clients of other services: `payments = http_client("payments", base_url="https://payments.example.com")`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from app.chassis.certificates import ClientCertificate, Papers
from app.chassis.client_credentials import LIMIT, ClientCredentials, Tokens
from app.chassis.dependency import Rules, Settings, collect, named
from app.chassis.failures import (
    AddressRefused,
    BadAnswer,
    BulkheadFull,
    CircuitOpen,
    DependencyFailed,
    NoToken,
    TimedOut,
    TooLarge,
    TooManyRedirects,
    Unreachable,
)

if TYPE_CHECKING:
    from app.chassis.client import Client, Fallback

__all__ = [
    "AddressRefused",
    "BadAnswer",
    "BulkheadFull",
    "CircuitOpen",
    "ClientCertificate",
    "ClientCredentials",
    "DependencyFailed",
    "NoToken",
    "Rules",
    "Settings",
    "TimedOut",
    "TooLarge",
    "TooManyRedirects",
    "Unreachable",
    "collect",
    "http_client",
    "resources",
]
OPTIONS: Final = frozenset(
    {"auth", "cookies", "default_encoding", "event_hooks", "follow_redirects", "headers", "params", "timeout"}
)
DEFAULTS: Final = Rules()
_clients: dict[str, "tuple[dict[str, Any], Client]"] = {}


@contextmanager
def resources() -> Iterator[None]:
    """Connections open with the first call: a client may be made when a module is imported."""
    try:
        yield
    finally:
        for _, client in list(_clients.values()):
            client.wire.close()


def http_client(  # noqa: PLR0913 - each is said by name, and few are said at all
    name: str,
    *,
    base_url: str = "",
    rules: Rules = DEFAULTS,
    guarded: bool | None = None,
    schemes: Iterable[str] = ("https",),
    fallback: "Fallback | None" = None,
    verify: Any = None,
    certificate: ClientCertificate | None = None,
    token: ClientCredentials | None = None,
    **options: Any,
) -> "Client":
    """An httpx2.Client; the same one whenever it is asked for by this name. Never close it: the service does.

    What is not at `base_url` is guarded: it must have one of `schemes` and a public address (OUTBOUND_ALLOW). `guarded`
    True says so of `base_url` too, False of nothing. `fallback(request, failure)` gives the response when all fails.
    `certificate` and `token` say who this service is to what is at `base_url`, and to nobody else.
    `verify` is an SSLContext; `options` are those of httpx2: auth, headers, params, timeout, follow_redirects, ...
    """
    unknown = sorted(options.keys() - OPTIONS)
    if unknown:
        raise TypeError(f"http_client does not take {', '.join(unknown)}; of httpx2's it takes {sorted(OPTIONS)}")
    asked = {"base_url": base_url, "guarded": guarded, "schemes": frozenset(schemes), "fallback": fallback, **options}
    asked |= {"verify": verify, "certificate": certificate, "token": token}
    if certificate is not None and (verify is not None or not base_url.startswith("https://")):
        raise TypeError("a certificate is shown at an https base_url, and brings its own context: give it the CA")
    if token is not None and ("auth" in options or not base_url):
        raise TypeError("a token is for what is at base_url, and takes the place of auth")
    dependency = named(name, rules)
    if name not in _clients:
        from app.chassis.bearer import Bearer  # noqa: PLC0415 - httpx2, which a service without clients need not import
        from app.chassis.calls import Address  # noqa: PLC0415
        from app.chassis.client import Client, Transport  # noqa: PLC0415

        address = Address(base_url, guarded=guarded, schemes=schemes)
        papers = None if certificate is None else Papers(name, certificate)
        bearer = None if token is None else Bearer(Tokens(name, token), issuer(name, token, rules))
        wire = Transport(dependency, address, verify=verify, papers=papers, bearer=bearer)
        made = Client(wire, fallback=fallback, base_url=base_url, **options)
        _clients.setdefault(name, (asked, made))
    known, client = _clients[name]
    if known != asked:
        raise ValueError(f"there is a client {name} with other options: give this one another name")
    return client


def issuer(name: str, token: ClientCredentials, rules: Rules) -> "Client":
    """The client of the authorization server, with a breaker and figures of its own."""
    given = Rules(timeout=rules.timeout, attempts=rules.attempts, limit=LIMIT)
    return http_client(f"{name}-token", base_url=token.token_url, rules=given)
