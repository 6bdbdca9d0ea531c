"""Who asks: the address behind trusted proxies, and nobody's invention."""

import pytest

from app.chassis import proxies
from app.chassis.settings import problems
from tests.chassis.running import Service


def seen(service: Service, forwarded: str) -> str:
    reply = service.http.get("/probe/ok", headers={"x-forwarded-for": forwarded})
    return str(service.line(event="http.request", request_id=reply.headers["x-request-id"])["client"])


@pytest.mark.beside
@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("10.1.2.3, 10.9.9.9", "10.1.2.3"),
        ("2001:db8::1, fd00::9", "2001:db8::1"),
        ("203.0.113.7, nonsense", "127.0.0.1"),
        ("203.0.113.7, nonsense, 10.1.2.3", "10.1.2.3"),
        ("203.0.113.7:443", "127.0.0.1"),
        (",", "127.0.0.1"),
        ("203.0.113.7, " * 500 + "203.0.113.8", "203.0.113.8"),
    ],
)
def test_it_is_the_last_address_that_no_proxy_has(behind: Service, forwarded: str, client: str) -> None:
    assert seen(behind, forwarded) == client


@pytest.mark.beside
def test_a_client_that_is_no_proxy_is_not_believed(production: Service) -> None:
    assert seen(production, "203.0.113.7") == "127.0.0.1"


@pytest.mark.parametrize("value", ["proxy.internal", "10.0.0.1/8", "10.0.0.0/33", "*", "127.0.0.1:80"])
def test_what_is_no_network_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    (line,) = problems([proxies.Settings])
    assert line.startswith("TRUSTED_PROXIES: each is an IP address or a network")
