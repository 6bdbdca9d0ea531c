"""Who may do what: nobody is let in who has not said who it is, and nobody does what it may not."""

from typing import Any

import pytest

from app.chassis import authentication, identity, routes
from app.chassis.auth import Principal
from app.chassis.credentials import SCHEME
from app.chassis.exchange import Exchange
from app.chassis.identity import Cache
from app.chassis.routes import Known, declare
from tests.chassis import discovered
from tests.chassis.conftest import Start
from tests.chassis.running import Service, eventually

WRONG = [
    "",
    "Bearer",
    "Bearer a b",
    "Bearer null",
    "Basic YWRhOmh1bnRlcjI=",
    "Bearer\thunter2",
    "bearer " + "x" * 2000,
    "Bearer \xe4\xf6\xfc",
    "Bearer ../../etc/passwd",
    "Bearer ' OR 1=1 --",
    "Digest username=ada",
]


@pytest.fixture(scope="module")
def ada(production: Service) -> dict[str, str]:
    return discovered.headers(production.env["DATABASE_URL"], "ada", "probe:read")


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return str(answer.headers["www-authenticate"])


# -- over HTTP


def test_who_has_the_scope_is_let_in(production: Service, ada: dict[str, str]) -> None:
    answer = production.http.get("/probe/mine", headers=ada)
    said = answer.json()
    assert (said["subject"], said["tenant"]) == ("ada", "")
    # An account may look after itself.
    assert set(said["scopes"]) - {"account"} == {"probe:read"}


def test_who_has_not_said_who_it_is_is_asked_to(production: Service) -> None:
    assert problem(production.http.get("/probe/mine"), 401) == SCHEME.challenge


@pytest.mark.parametrize("header", WRONG, ids=lambda header: header[:20])
def test_what_is_no_credential_is_none(production: Service, header: str) -> None:
    answer = production.http.get("/probe/mine", headers={b"authorization": header.encode("latin-1")})
    assert problem(answer, 401) == SCHEME.challenge + SCHEME.invalid


def test_one_that_is_too_large_is_refused(production: Service) -> None:
    answer = production.http.get("/probe/mine", headers={"authorization": f"Bearer {'x' * 100_000}"})
    assert 400 <= answer.status_code < 500


def test_two_credentials_are_none(production: Service, ada: dict[str, str]) -> None:
    both = [*ada.items(), *discovered.wrong().items()]
    assert production.http.get("/probe/mine", headers=both).status_code == 401


def test_who_lacks_the_scope_learns_which(production: Service, ada: dict[str, str]) -> None:
    answer = production.http.post("/probe/mine", json={"text": "hi"}, headers=ada)
    assert problem(answer, 403) == SCHEME.challenge + SCHEME.insufficient.format(scope="probe:write")


def test_nothing_is_read_of_who_is_not_let_in(production: Service, ada: dict[str, str]) -> None:
    """What is wrong with a body is told to those who may send one."""
    assert production.http.post("/probe/mine", content=b"{", headers=ada).status_code == 403
    assert production.http.post("/probe/mine", content=b"{").status_code == 401
    writer = discovered.headers(production.env["DATABASE_URL"], "bob", "probe:write")
    assert production.http.post("/probe/mine", json={"text": "x" * 11}, headers=writer).status_code == 422
    assert production.http.post("/probe/mine", json={"text": "hi"}, headers=writer).status_code == 201


@pytest.mark.parametrize("path", ["/probe/ok", "/livez", "/readyz"])
def test_what_is_public_needs_nothing_and_minds_nothing(production: Service, path: str) -> None:
    for headers in ({}, discovered.wrong()):
        assert production.http.get(path, headers=headers).status_code == 200


def test_what_is_not_there_is_not_there(production: Service) -> None:
    assert production.http.get("/probe/nowhere").status_code == 404


def test_the_documentation_says_who_may_do_what(development: Service) -> None:
    document = development.http.get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {SCHEME.name: SCHEME.document}
    assert development.http.get("/docs").status_code == 200


def test_what_becomes_of_credentials_is_logged_and_counted(production: Service) -> None:
    carol = discovered.headers(production.env["DATABASE_URL"], "carol", "probe:read")
    before = {outcome: count(production, outcome) for outcome in ("accepted", "malformed")}
    denied = production.metric("auth_denied_total", scope="probe:write")
    production.http.get("/probe/mine", headers=carol)
    production.http.get("/probe/mine", headers=discovered.wrong())
    production.http.post("/probe/mine", headers=carol)
    assert count(production, "accepted") >= before["accepted"] + 2
    assert count(production, "malformed") >= before["malformed"] + 1
    assert production.metric("auth_denied_total", scope="probe:write") >= denied + 1
    assert production.line(event="auth.accepted", subject="carol")
    assert production.line(event="auth.denied", subject="carol")["scope"] == "probe:write"
    assert eventually(lambda: production.lines(event="auth.rejected", reason="malformed", level="warning"))
    assert not any(value[-20:] in production.output() for value in carol.values())
    assert "hunter2" not in production.output()


def count(service: Service, outcome: str) -> float:
    return service.metric("auth_credentials_total", outcome=outcome)


# -- nothing is forgotten


@pytest.fixture
def _unlearned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_known", "_exact", "_patterns"):
        monkeypatch.setattr(routes, name, type(getattr(routes, name))())


def view() -> None: ...


@pytest.mark.usefixtures("_unlearned")
def test_a_route_that_says_nothing_stops_the_start() -> None:
    declared = declare(scope="a")(lambda: None)
    routes.learn([("GET", "/secret", view), ("POST", "/mine", declared), ("GET", "/all", declare(public=True)(print_))])
    with pytest.raises(ValueError, match="nobody has said who may use GET /secret: put @declare") as refused:
        authentication.check_routes()
    assert "/mine" not in str(refused.value)
    assert "/all" not in str(refused.value)


def print_() -> None: ...


@pytest.mark.usefixtures("_unlearned")
def test_a_scope_that_nobody_would_enforce_stops_the_start() -> None:
    routes.learn([Known("*", "/ws", declare(scope="a")(lambda: None), wrapped=False)])
    with pytest.raises(ValueError, match=r"a scope cannot be enforced for \* /ws: declare it right above"):
        authentication.check_routes()


def test_a_route_is_public_or_it_is_not() -> None:
    with pytest.raises(ValueError, match="is not public: say one of them"):
        declare(scope="a", public=True)
    with pytest.raises(ValueError, match="is no scope: use visible ASCII"):
        declare(scope='a "b"')


# -- roles


def test_a_role_is_the_scopes_that_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "load", lambda _kind: identity.Settings(roles="clerk=a:read a:write, auditor=a:read"))
    assert identity.scopes_of(frozenset({"clerk", "auditor", "nobody"})) == {"a:read", "a:write"}
    assert identity.scopes_of(frozenset()) == frozenset()


@pytest.mark.parametrize("roles", ["clerk", "clerk=", "=orders:read", 'clerk=say "hi"'])
def test_roles_that_say_nothing_stop_the_start(start: Start, roles: str) -> None:
    service = start(ROLES=roles)
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert line.startswith("ROLES: ")
    assert "is not role=scope scope" in line


# -- who is believed


def test_what_is_believed_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MOST_CACHED", 10)
    cache = Cache()
    for number in range(100):
        cache.put(str(number), Principal("ada"), 2.0)
    assert len(cache._known) == 10
    assert cache.get("99", 1.0) == Principal("ada")
    assert cache.get("99", 2.0) is None
    assert cache.get("0", 1.0) is None
    assert cache.knows("99")
    cache.forget("99")
    assert not cache.knows("99")
    assert not cache.knows("0")


def test_a_principal_is_whoever_was_accepted() -> None:
    exchange = Exchange("GET", "/", "198.51.100.7")
    identity.accept(exchange, Principal("ada", frozenset({"a"}), "acme"))
    assert (exchange.subject, exchange.principal) == ("ada", Principal("ada", frozenset({"a"}), "acme"))
