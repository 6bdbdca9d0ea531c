"""The security floor: headers, hosts, limits, CORS, and a documentation page that loads nothing from elsewhere."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx2
import pytest

from app.chassis import security
from app.chassis.exchange import Exchange
from tests.chassis.running import Service

REFUSED = {"origin": "https://evil.example.com"}
ALLOWED = {"origin": "https://app.example.com"}


@pytest.mark.parametrize("path", ["/probe/ok", "/nowhere", "/probe/boom", "/probe/items/seven"])
def test_every_reply_carries_the_headers(production: Service, path: str) -> None:
    headers = production.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["strict-transport-security"].startswith("max-age=31536000")


def test_what_begins_like_a_page_is_none(production: Service) -> None:
    assert production.http.get("/admin-data").headers["content-security-policy"].startswith("default-src 'none'")


def test_a_refusal_carries_the_headers_too(production: Service) -> None:
    reply = production.http.get("/probe/ok", headers={"host": "evil.example.com"})
    assert (reply.status_code, reply.headers["x-content-type-options"]) == (400, "nosniff")


def test_hsts_is_for_production_only(development: Service) -> None:
    assert "strict-transport-security" not in development.http.get("/probe/ok").headers


def test_no_header_comes_twice(production: Service) -> None:
    names = [name for name, _ in production.http.get("/probe/ok").headers.multi_items()]
    assert sorted(names) == sorted(set(names))


class Early(Exchange):
    def header(self, name: str) -> str | None:
        return "api.example.com" if name == "host" else None


def test_who_comes_before_the_hosts_are_known_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "_hosts", None)
    reply = security.enter(Early("GET", "/probe/ok", "127.0.0.1"))
    assert reply is not None
    assert reply.status == 503


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("API.example.com:8443", 200),
        ("a.inside.example.com", 200),
        ("inside.example.com", 200),
        ("evil.example.com", 400),
        ("api.example.com.evil.org", 400),
        ("notinside.example.com", 400),
        ("api.example.com@evil.org", 400),
        ("", 400),
    ],
)
def test_only_the_allowed_hosts_are_answered(production: Service, host: str, status: int) -> None:
    assert production.http.get("/probe/ok", headers={"host": host}).status_code == status


def test_probes_answer_to_any_host(production: Service) -> None:
    """An orchestrator asks by address."""
    assert production.http.get("/livez", headers={"host": "10.1.2.3"}).status_code == 200


# -- the limit on bodies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_limit_is_the_one_that_was_set(managed: Service, size: int, status: int, streamed: bool) -> None:
    body = b'{"text": "' + b"x" * (size - 12) + b'"}'

    def stream() -> Iterator[bytes]:
        yield body[:50]
        yield body[50:]

    headers = {"content-type": "application/json", "connection": "close"}
    reply = managed.http.post("/probe/echo", content=stream() if streamed else body, headers=headers)
    assert reply.status_code == status


# -- CORS --------------------------------------------------------------------------------------------------------------


def preflight(service: Service, origin: dict[str, str]) -> httpx2.Response:
    return service.http.options("/probe/echo", headers={**origin, "access-control-request-method": "POST"})


def test_cors_is_off_until_an_origin_is_named(production: Service) -> None:
    for reply in (production.http.get("/probe/ok", headers=ALLOWED), preflight(production, ALLOWED)):
        assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_a_named_origin_may_call(development: Service) -> None:
    reply = development.http.get("/probe/ok", headers=ALLOWED)
    assert reply.headers["access-control-allow-origin"] == ALLOWED["origin"]
    assert "Origin" in reply.headers["vary"]


def test_a_named_origin_learns_why_it_was_refused(development: Service) -> None:
    headers = {**ALLOWED, "content-type": "application/json", "connection": "close"}
    reply = development.http.post("/probe/echo", content=b"x" * (2 << 20), headers=headers)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (413, ALLOWED["origin"])


def test_a_named_origin_s_preflight_is_answered(development: Service) -> None:
    reply = preflight(development, ALLOWED)
    assert reply.status_code == 204
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "content-type" in reply.headers["access-control-allow-headers"]


def test_another_origin_may_not_call(development: Service) -> None:
    for reply in (development.http.get("/probe/ok", headers=REFUSED), preflight(development, REFUSED)):
        assert "access-control-allow-origin" not in reply.headers
        assert "Origin" in reply.headers["vary"]


# -- the documentation -------------------------------------------------------------------------------------------------


def test_the_documentation_loads_nothing_from_elsewhere(development: Service) -> None:
    page = development.http.get("/docs", follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]+)\"", page.text)
    assert loaded
    for address in loaded:
        url = urljoin(str(page.url), address)
        if not address.startswith("data:"):
            assert url.startswith(str(development.http.base_url))
            assert development.http.get(url).status_code == 200, url


def test_the_documentation_obeys_its_own_policy(development: Service) -> None:
    page = development.http.get("/docs", follow_redirects=True)
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    inline = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page.text)
    assert inline == []
    assert not re.search(r"\son\w+=", page.text)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_production_shows_no_documentation(production: Service, path: str) -> None:
    assert production.http.get(path).status_code == 404
