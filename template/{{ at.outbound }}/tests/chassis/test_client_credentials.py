"""Tokens for calls to another service: a real client, and a server that gives tokens and takes them."""

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.chassis.breaker import State
from app.chassis.client import Client
from app.chassis.errors import Expired
from app.chassis.outbound import ClientCredentials, DependencyFailed, NoToken, http_client
from tests.chassis.calling import Caller
from tests.chassis.faulty import Faulty, faulty, serving
from tests.chassis.issuing import SECRET, Issuing
from tests.chassis.outbound_clients import a_name, client_of, metrics_of, request_with, rules
from tests.chassis.running import Service, eventually

IN_TIME = 5.0
DOWN = Faulty(url="http://127.0.0.1:1")


@pytest.fixture
def server() -> Iterator[Issuing]:
    with serving(Issuing()) as made:
        yield made


def credentials(issuer: Faulty, **options: Any) -> ClientCredentials:
    return ClientCredentials(f"{issuer.url}/token", "or:ders", SecretStr(SECRET), **options)


def known(server: Issuing, issuer: Faulty | None = None, **options: Any) -> Client:
    """A client of this server with tokens of this issuer, by default the same server."""
    return client_of(server, token=credentials(issuer or server), **options)


def clock_of(client: Client) -> Callable[[float], None]:
    """Sets the clock that this client's tokens age by, to seconds from now."""
    assert client.wire.bearer is not None
    tokens = client.wire.bearer.tokens
    seconds = [0.0]
    tokens._now = lambda: seconds[0]

    def set_to(moment: float) -> None:
        seconds[0] = moment

    return set_to


# -- what is asked for


def test_a_token_is_asked_for_as_rfc_6749_says(calls: Caller, server: Issuing) -> None:
    client = client_of(server, token=credentials(server, scope="read write", audience="https://payments"))
    assert calls.get(client, "/api").status_code == 200
    sent = {"grant_type": ["client_credentials"], "scope": ["read write"], "audience": ["https://payments"]}
    assert server.form() == sent
    scheme, _, value = server.asked[0].headers["authorization"].partition(" ")
    # Section 2.3.1: encoded as in a form, then joined.
    assert (server.asked[0].method, scheme) == ("POST", "Basic")
    assert b64decode(value) == b"or%3Aders:sw0rdfish%26chips"


def test_the_secret_may_be_in_the_form(calls: Caller, server: Issuing) -> None:
    client = client_of(server, token=credentials(server, in_body=True))
    assert calls.get(client, "/api").status_code == 200
    assert "authorization" not in server.asked[0].headers
    sent = {"grant_type": ["client_credentials"], "client_id": ["or:ders"], "client_secret": [SECRET]}
    assert server.form() == sent


def test_what_the_caller_says_itself_stays(calls: Caller, server: Issuing) -> None:
    assert calls.get(known(server), "/ok", headers={"authorization": "mine"}).json()["authorization"] == "mine"
    assert not server.given


def test_a_token_is_for_the_base_url_alone(calls: Caller, server: Issuing) -> None:
    client = known(server, guarded=False, follow_redirects=True)
    with faulty() as elsewhere:
        assert "authorization" not in calls.get(client, f"/to?url={elsewhere.url}/ok").json()
        assert "authorization" not in calls.get(client, f"{elsewhere.url}/ok").json()
    assert "authorization" in calls.get(client, f"/to?url={server.url}/ok").json()


def test_a_token_for_nobody_and_a_second_way_to_sign_in_are_refused(server: Issuing) -> None:
    with pytest.raises(TypeError, match="base_url"):
        http_client(a_name(), token=credentials(server))
    with pytest.raises(TypeError, match="auth"):
        known(server, auth=("ada", "secret"))


# -- once, and in time


def test_many_calls_fetch_one_token(calls: Caller, server: Issuing) -> None:
    server.keeps_back = True
    client = known(server)
    results = calls.gather(client, "/api", 30)
    eventually(lambda: client.dependency.bulkhead.running == 30)
    eventually(lambda: server.counts["/token"] == 1)
    server.go.set()
    assert all(isinstance(one, httpx2.Response) and one.status_code == 200 for one in results())
    assert calls.get(client, "/api").status_code == 200
    assert server.counts["/token"] == 1


def test_a_token_is_fetched_again_before_it_expires(calls: Caller, server: Issuing) -> None:
    client = known(server)
    set_clock = clock_of(client)
    calls.get(client, "/api")
    set_clock(939)
    calls.get(client, "/api")
    assert server.counts["/token"] == 1
    # A minute before its thousand seconds are over nobody has to wait for the next.
    set_clock(941)
    server.keeps_back = True
    assert calls.get(client, "/api").status_code == 200
    eventually(lambda: server.counts["/token"] == 2)
    server.go.set()
    eventually(lambda: len(server.given) == 2)
    eventually(lambda: calls.get(client, "/ok").json()["authorization"] == f"Bearer {server.given[1]}")
    assert server.counts["/token"] == 2


def test_a_token_that_is_almost_over_is_not_used(calls: Caller, server: Issuing) -> None:
    client = known(server)
    set_clock = clock_of(client)
    calls.get(client, "/api")
    set_clock(971)
    assert calls.get(client, "/ok").json()["authorization"] == f"Bearer {server.given[1]}"
    assert len(server.given) == 2


def test_while_a_token_is_good_nobody_needs_its_server(calls: Caller, server: Issuing) -> None:
    client = known(server)
    set_clock = clock_of(client)
    calls.get(client, "/api")
    server.token_status = 500
    set_clock(960)
    assert calls.get(client, "/api").status_code == 200
    set_clock(1001)
    with pytest.raises(NoToken):
        calls.get(client, "/api")


@pytest.mark.parametrize(("said", "seconds"), [(None, 300), ("200", 200), (1e9, 86_400)])
def test_how_long_a_token_is_good(calls: Caller, server: Issuing, said: object, seconds: float) -> None:
    server.gives = {"expires_in": said}
    client = known(server)
    set_clock = clock_of(client)
    calls.get(client, "/api")
    early = min(60.0, seconds / 10)
    set_clock(seconds - early - 1)
    calls.get(client, "/api")
    assert server.counts["/token"] == 1
    set_clock(seconds - early / 2 + 1)
    calls.get(client, "/api")
    assert server.counts["/token"] == 2


# -- a token that is refused


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_is_refused_is_replaced(calls: Caller, server: Issuing, method: str) -> None:
    client = known(server)
    calls.get(client, "/ok")
    server.revoke()
    response = calls.request(client, method, "/api", content=b"body")
    assert (response.status_code, response.content) == (200, b"body")
    assert (server.counts["/token"], server.counts["/api"]) == (2, 2)
    assert metrics_of(client)["outbound_requests_total.ok"] == 2


def test_calls_that_are_refused_together_fetch_one_token(calls: Caller, server: Issuing) -> None:
    client = known(server)
    calls.get(client, "/ok")
    server.revoke()
    results = calls.together(client, "/api", 20)
    assert all(isinstance(one, httpx2.Response) and one.status_code == 200 for one in results)
    assert server.counts["/token"] == 2


def test_a_service_that_refuses_every_token_gets_a_tenth_more_and_no_more(calls: Caller, server: Issuing) -> None:
    server.trusts = False
    client = known(server)
    for _ in range(50):
        assert calls.get(client, "/api").status_code == 401
    assert 50 < server.counts["/api"] <= 56
    assert 1 < server.counts["/token"] <= 7


def test_a_call_is_made_with_two_tokens_at_most(calls: Caller, server: Issuing) -> None:
    client = known(server)
    for _ in range(40):
        calls.get(client, "/ok")
    server.trusts = False
    assert calls.get(client, "/api").status_code == 401
    assert (server.counts["/api"], server.counts["/token"]) == (2, 2)


# -- no token

FAILURES: dict[str, dict[str, Any]] = {
    "refused": {"token_status": 400},
    "down": {"token_status": 500},
    "no reason": {"token_status": 401, "body": b"<html>"},
    "moved": {"token_status": 302},
    "no JSON": {"body": b"token=1"},
    "no object": {"body": b"[1]"},
    "empty": {"gives": {"access_token": ""}},
    "two lines": {"gives": {"access_token": "a\r\nx-injected: 1"}},
    "another kind": {"gives": {"token_type": "mac"}},
    "no kind": {"gives": {"token_type": None}},
    "over already": {"gives": {"expires_in": 0}},
    "too large": {"body": b'{"access_token": "a", "token_type": "Bearer"}' + b" " * 70_000},
}


@pytest.mark.parametrize("case", FAILURES)
def test_without_a_token_there_is_no_call(calls: Caller, server: Issuing, case: str) -> None:
    for name, value in FAILURES[case].items():
        setattr(server, name, value)
    client = known(server)
    with pytest.raises(NoToken) as caught:
        calls.get(client, "/api")
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
    assert server.counts["/api"] == 0
    assert metrics_of(client)["outbound_requests_total.no_token"] == 1
    assert client.dependency.bulkhead.running == 0


def test_a_server_of_tokens_that_is_away_is_not_the_other_one_s_fault(calls: Caller, server: Issuing) -> None:
    client = known(server, DOWN)
    for _ in range(25):
        with pytest.raises(NoToken) as caught:
            calls.get(client, "/api")
    assert isinstance(caught.value.__cause__, DependencyFailed)
    assert client.dependency.breaker.state is State.CLOSED
    issuer = http_client(f"{client.dependency.name}-token", base_url=f"{DOWN.url}/token", rules=issuer_rules(client))
    assert metrics_of(issuer)["outbound_requests_total.unreachable"] == 20
    assert metrics_of(issuer)["outbound_requests_total.circuit_open"] == 5


def issuer_rules(client: Client) -> Any:
    assert client.wire.bearer is not None
    return client.wire.bearer.client.dependency.rules


def test_a_fallback_is_asked_when_there_is_no_token(calls: Caller, server: Issuing) -> None:
    seen: list[DependencyFailed] = []

    def stale(_request: httpx2.Request, failure: DependencyFailed) -> httpx2.Response:
        seen.append(failure)
        return httpx2.Response(200)

    assert calls.get(known(server, DOWN, fallback=stale), "/api").status_code == 200
    assert isinstance(seen[0], NoToken)


@pytest.mark.beside
def test_a_token_is_asked_for_again_when_its_server_fails_once(calls: Caller) -> None:
    with serving(Issuing()) as server:
        token = ClientCredentials(f"{server.url}/first", "ada", SecretStr("secret"))
        # An attempt that a busy machine makes late would be the one that there is to try again.
        client = client_of(server, rules(attempts=3, timeout=60.0), token=token)
        with pytest.raises(NoToken):
            calls.get(client, "/api")
        assert server.counts["/first"] == 2


@pytest.mark.beside
def test_a_call_waits_for_its_token_no_longer_than_it_may_take(calls: Caller) -> None:
    with serving(Issuing()) as server:
        server.keeps_back = True
        begun = time.perf_counter()
        with pytest.raises(DependencyFailed):
            calls.get(known(server, given=rules(timeout=0.3)), "/api")
        assert time.perf_counter() - begun < IN_TIME


@pytest.mark.beside
def test_a_request_in_a_hurry_gives_up_and_the_fetch_goes_on(calls: Caller) -> None:
    with serving(Issuing()) as server:
        server.keeps_back = True
        client = known(server)
        # The first call of all reads the system's certificates, which takes long.
        calls.get(client, "/ok", headers={"authorization": "mine"})
        begun = time.perf_counter()
        with request_with(seconds=0.5) as exchange, pytest.raises(Expired):
            calls.get(client, "/api")
        assert exchange.expired == "outbound"
        assert time.perf_counter() - begun < IN_TIME
        server.go.set()
        assert calls.get(client, "/api").status_code == 200
        assert server.counts["/token"] == 1


# -- secrets


def test_credentials_do_not_show_the_secret(server: Issuing) -> None:
    assert SECRET not in repr(credentials(server))


def test_a_service_logs_no_secret_and_says_why_there_is_no_token(calling: Service, issuing: Issuing) -> None:
    url = "/probe/known"
    assert calling.http.get(url, params={"who": "good"}).json() == {"status": 200}
    issuing.revoke()
    assert calling.http.get(url, params={"who": "good"}).json() == {"status": 200}
    issuing.token_status = 401
    reply = calling.http.get(url, params={"who": "bad"})
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
    assert calling.line(event="token.failed")["reason"] == "401 invalid_client"
    # The secret as it is, and as it is sent.
    sent = next(one for one in issuing.asked if one.path == "/token").headers["authorization"]
    everything = calling.output() + reply.text
    for secret in (SECRET, "sw0rdfish", sent.removeprefix("Basic "), *issuing.given):
        assert secret not in everything
