"""Sessions: begun anew by each login, ended for good, and of no use to the pages of others."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from app.chassis import about, sessions
from app.chassis import settings as settings_module
from app.chassis.exchange import Exchange
from app.chassis.sessions import COOKIE, TOKEN
from tests.chassis.conftest import Start
from tests.chassis.fixtures_session import PAGE
from tests.chassis.logins import Login, begun
from tests.chassis.people import PASSWORD, log_in, me, post, somebody, tried
from tests.chassis.running import Service, called, eventually


def origin(service: Service, scheme: str = "https") -> str:
    return f"{scheme}://127.0.0.1:{service.port}"


# -- the cookie --------------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(production: Service) -> None:
    (sent,) = tried(production, somebody(production)).headers.get_list("set-cookie")
    pair, *attributes = [one.strip().lower() for one in sent.split(";")]
    assert pair.startswith("__host-session=")
    assert {"path=/", "secure", "httponly", "samesite=lax", "max-age=86400"} <= set(attributes)
    assert not any(one.startswith("domain") for one in attributes)


def test_a_login_says_what_a_page_needs(production: Service) -> None:
    answer = tried(production, somebody(production))
    said = answer.json()
    assert said.keys() == {"csrf_token", "expires_at", "idle_seconds"}
    assert said["idle_seconds"] == 3600
    login = begun(answer)
    assert TOKEN.fullmatch(login.cookie)
    again = production.http.get("/v1/auth/sessions/current", headers=login.headers)
    assert (again.json()["csrf_token"], again.headers["cache-control"]) == (said["csrf_token"], "no-store")
    assert again.json()["expires_at"][:16] == said["expires_at"][:16]


def test_nobody_keeps_what_somebody_got(production: Service) -> None:
    answer = me(production, log_in(production, somebody(production)))
    assert "cookie" in answer.headers["vary"].lower()


def test_who_asks_for_a_login_says_where(production: Service) -> None:
    challenge = production.http.get("/v1/auth/me").headers["www-authenticate"]
    assert challenge == f'Cookie realm="{about.NAME}", form-action="/v1/auth/sessions", cookie-name="{COOKIE}"'


# -- beginning and ending ----------------------------------------------------------------------------------------------


def test_a_login_begins_anew(production: Service) -> None:
    name = somebody(production)
    planted = {"cookie": f"{COOKIE}={'a' * 43}"}
    answer = production.http.post("/v1/auth/sessions", json={"name": name, "password": PASSWORD}, headers=planted)
    first = begun(answer)
    assert first.cookie != "a" * 43
    answer = post(production, "sessions", first.headers, name=name, password=PASSWORD)
    second = begun(answer)
    assert second.cookie != first.cookie
    assert second.csrf != first.csrf
    # The one that the browser had is over, be it in other hands by now.
    assert not first.goes_on(production)
    assert second.goes_on(production)


def test_who_has_left_has_left(production: Service) -> None:
    name = somebody(production)
    here, there = log_in(production, name), log_in(production, name)
    answer = post(production, "logouts", here.headers)
    assert answer.status_code == 204
    (sent,) = answer.headers.get_list("set-cookie")
    assert sent.lower().startswith("__host-session=")
    assert "max-age=0" in sent.lower()
    assert not here.goes_on(production)
    assert there.goes_on(production)


def test_one_may_leave_everywhere(production: Service) -> None:
    name = somebody(production)
    here, there = log_in(production, name), log_in(production, name)
    other = log_in(production, somebody(production))
    assert post(production, "logouts", here.headers, everywhere=True).status_code == 204
    assert not here.goes_on(production)
    assert not there.goes_on(production)
    assert other.goes_on(production)


@pytest.mark.beside("fleeting")
def test_one_has_to_log_in_again_after_a_while(fleeting: Service) -> None:
    login = log_in(fleeting, somebody(fleeting))
    begun_at = time.monotonic()
    while time.monotonic() < begun_at + 2:
        assert login.goes_on(fleeting)
        time.sleep(0.2)
    time.sleep(1.1)
    assert not login.goes_on(fleeting)


@pytest.mark.beside("idle")
def test_who_does_nothing_has_to_log_in_again_and_who_does_something_has_not(idle: Service) -> None:
    busy, asleep = (log_in(idle, somebody(idle)) for _ in range(2))
    begun_at = time.monotonic()
    while time.monotonic() < begun_at + 6:
        assert busy.goes_on(idle)
        time.sleep(0.2)
    assert not asleep.goes_on(idle)
    assert busy.goes_on(idle)
    assert eventually(lambda: idle.lines(event="auth.rejected", reason="expired"))


@pytest.mark.parametrize("value", ["", "a", "a" * 42, "a" * 44, "' OR 1=1 --" + "a" * 32, "\xe4" * 43, "a" * 43])
def test_what_is_no_secret_is_none(production: Service, value: str) -> None:
    answer = production.http.get("/v1/auth/me", headers={b"cookie": f"{COOKIE}={value}".encode("latin-1")})
    assert answer.status_code == 401


def test_two_cookies_are_none(production: Service) -> None:
    login = log_in(production, somebody(production))
    for other in ("a" * 43, login.cookie):
        both = {"cookie": f"{COOKIE}={other}; {COOKIE}={login.cookie}"}
        assert production.http.get("/v1/auth/me", headers=both).status_code == 401


def test_other_cookies_do_not_matter(production: Service) -> None:
    login = log_in(production, somebody(production))
    among = {"cookie": f"theme=dark; {COOKIE}={login.cookie};a={COOKIE}"}
    assert production.http.get("/v1/auth/me", headers=among).status_code == 200


def test_cookies_may_come_one_by_one(production: Service) -> None:
    """As HTTP/2 sends them, RFC 9113 section 8.2.3."""
    login = log_in(production, somebody(production))
    pairs = [("cookie", "theme=dark"), ("cookie", f"{COOKIE}={login.cookie}")]
    assert production.http.get("/v1/auth/me", headers=pairs).status_code == 200


# -- pages of others ---------------------------------------------------------------------------------------------------


def changed(service: Service, login: Login, **headers: str) -> Any:
    sent = login.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    return service.http.post("/probe/mine", json={"text": "hi"}, headers={k: v for k, v in sent.items() if v})


@pytest.fixture(scope="module")
def writer(production: Service) -> Login:
    from tests.chassis import discovered  # noqa: PLC0415 - for this alone

    made = discovered.headers(production.env["DATABASE_URL"], "writer", "probe:write")
    return Login(made["Cookie"].partition("=")[2], made["X-CSRF-Token"])


def test_a_page_of_the_service_may_change_something(production: Service, writer: Login) -> None:
    own = origin(production)
    assert changed(production, writer, origin=own, sec_fetch_site="same-origin").status_code == 201
    assert changed(production, writer, sec_fetch_site="same-origin").status_code == 201
    # What is no browser says nothing of it.
    assert changed(production, writer).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1"},
        {"origin": "https://127.0.0.1.evil.example.com"},
        {"origin": "https://evil.example.com#127.0.0.1"},
        {"origin": "https://["},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"x_csrf_token": ""},
        {"x_csrf_token": "0" * 64},
        {"x_csrf_token": "\xe4"},
    ],
    ids=str,
)
def test_a_page_of_somebody_else_may_not(production: Service, writer: Login, headers: dict[str, str]) -> None:
    before = production.metric("auth_cross_site_total")
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = changed(production, writer, **encoded)  # type: ignore[arg-type]
    assert answer.status_code == 403, answer.text
    assert production.metric("auth_cross_site_total") == before + 1


def test_what_comes_without_tls_is_of_somebody_else(production: Service, writer: Login) -> None:
    assert changed(production, writer, origin=origin(production, "http")).status_code == 403


def test_the_token_of_another_session_is_none(production: Service, writer: Login) -> None:
    other = log_in(production, somebody(production))
    assert changed(production, Login(writer.cookie, other.csrf)).status_code == 403


def test_whoever_only_reads_needs_no_token(production: Service) -> None:
    login = log_in(production, somebody(production))
    assert me(production, Login(login.cookie, "")).status_code == 200


def test_nobody_is_logged_in_by_a_page_of_somebody_else(production: Service) -> None:
    name = somebody(production)
    form = {"name": name, "password": PASSWORD}
    for headers in ({"origin": "https://evil.example.com"}, {"sec-fetch-site": "cross-site"}):
        answer = production.http.post("/v1/auth/sessions", json=form, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert production.http.post("/v1/auth/sessions", json=form, headers={"origin": origin(production)}).is_success


@pytest.mark.beside("fleeting")
def test_a_page_that_may_ask_may_change_something(fleeting: Service) -> None:
    name = somebody(fleeting)
    allowed = fleeting.http.post(
        "/v1/auth/sessions", json={"name": name, "password": PASSWORD}, headers={"origin": PAGE}
    )
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-credentials"] == "true"
    login = begun(allowed)
    left = fleeting.http.post("/v1/auth/logouts", json={}, headers=login.headers | {"origin": PAGE})
    assert left.status_code == 204
    asked = fleeting.http.options("/v1/auth/logouts", headers={"origin": PAGE, "access-control-request-method": "POST"})
    assert "x-csrf-token" in asked.headers["access-control-allow-headers"]


# -- what is kept of it ------------------------------------------------------------------------------------------------


def test_the_database_has_no_secret(production: Service) -> None:
    login = log_in(production, somebody(production))
    stored = called("tests.chassis.session_rows", DATABASE_URL=production.env["DATABASE_URL"])
    assert sessions.digest(login.cookie) in stored
    assert login.cookie not in stored
    assert login.csrf not in stored


def test_the_token_is_of_the_key_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    first = sessions.csrf_token("a" * 43)
    settings = settings_module.Settings(secret_key=SecretStr("another key of thirty-two letters"))
    monkeypatch.setattr(sessions, "load", lambda _kind: settings)
    assert sessions.csrf_token("a" * 43) != first


def test_a_session_that_ends_at_once_stops_the_start(start: Start) -> None:
    service = start(SESSION_TTL="60")
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert line.startswith("SESSION_TTL: is less than SESSION_IDLE_TTL: give at least as much")


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("", []),
        (f"{COOKIE}=a", ["a"]),
        (f"x=1; {COOKIE}=a; y={COOKIE}=b", ["a"]),
        (f"{COOKIE}=a;{COOKIE}=b", ["a", "b"]),
        (f"x{COOKIE}=a", []),
        (f"{COOKIE}", [""]),
        # Which browsers do not take for a name that begins with __Host-.
        (f"\xa0{COOKIE}=a", []),
        (f"\x85{COOKIE}=a", []),
    ],
)
def test_secrets_are_found_among_cookies(sent: str, found: list[str]) -> None:
    assert sessions.sent_with(Sent("GET", cookie=sent)) == found


class Sent(Exchange):
    """A request with these headers."""

    def __init__(self, method: str, **headers: str) -> None:
        super().__init__(method, "/", "127.0.0.1")
        self.headers = headers

    def header(self, name: str) -> str | None:
        return self.headers.get(name.replace("-", "_"))


def test_a_websocket_of_another_page_is_nobody_s() -> None:
    asked = {"host": "api.example.com", "sec_websocket_version": "13"}
    for origin, fits in (("https://api.example.com", True), ("https://evil.example.com", False)):
        found = sessions.forged(Sent("GET", origin=origin, **asked), "a" * 43)
        assert (found is None) is fits
    # Without a WebSocket it only reads.
    assert sessions.forged(Sent("GET", origin="https://evil.example.com", host="api.example.com"), "a" * 43) is None


def of_ada(expires_at: datetime) -> sessions.Session:
    """Half an hour old."""
    began = datetime.now(UTC) - timedelta(minutes=30)
    return sessions.Session("ada", "", began, expires_at, usable=True, roles="", tenant="")


def test_a_shorter_time_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    for seconds, known in ((86_400, True), (600, False)):
        given = sessions.Settings(session_ttl=seconds, session_idle_ttl=600)
        monkeypatch.setattr(sessions, "load", {sessions.Settings: given}.__getitem__)
        session = of_ada(now + timedelta(minutes=30))
        exchange = Sent("GET")
        sessions.judge(exchange, "a" * 43, session)
        assert (exchange.principal is not None) is known


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_cannot_send_the_token_does_not_keep_a_session_alive(method: str) -> None:
    session = of_ada(datetime.now(UTC) + timedelta(minutes=1))
    assert (sessions.judge(Sent(method), "a" * 43, session) is None) is (method == "POST")


def test_where_anybody_may_ask_nothing_is_forged(production: Service) -> None:
    login = log_in(production, somebody(production))
    before = production.metric("auth_cross_site_total")
    post(production, "sessions", {"cookie": login.headers["cookie"]}, name=somebody(production), password=PASSWORD)
    assert production.metric("auth_cross_site_total") == before
