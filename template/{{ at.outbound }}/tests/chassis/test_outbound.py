"""Calls to other services: real clients against a real server that misbehaves."""

import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest

from app.chassis import dependency
from app.chassis.breaker import State, Trip
from app.chassis.client import Client
from app.chassis.errors import Expired
from app.chassis.outbound import (
    AddressRefused,
    BadAnswer,
    BulkheadFull,
    CircuitOpen,
    DependencyFailed,
    Rules,
    TimedOut,
    TooLarge,
    TooManyRedirects,
    Unreachable,
    http_client,
)
from tests.chassis.calling import Caller
from tests.chassis.faulty import Faulty, faulty
from tests.chassis.fixtures_outbound import Faults
from tests.chassis.outbound_clients import NEVER, a_name, client_of, metrics_of, request_with, rules
from tests.chassis.running import eventually

TRIP = Trip(calls=20, pause=60.0, probes=3)
# Seconds: far less than what misbehaves would take, far more than a busy machine needs.
IN_TIME = 5.0
# Seconds after which a call is made once more.
LATE = 1.0


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty() as made:
        yield made


# -- an ordinary client


def test_it_is_an_ordinary_client(calls: Caller, server: Faulty) -> None:
    client = client_of(server, auth=("ada", "secret"), headers={"x-mine": "1"})
    response = calls.get(client, "/ok", params={"q": "a b"})
    assert response.status_code == 200
    assert (response.json()["x-mine"], response.json()["authorization"]) == ("1", "Basic YWRhOnNlY3JldA==")
    assert server.asked[0].query == {"q": ["a b"]}
    calls.request(client, "POST", "/ok", json={"sku": "tea"})
    assert (server.asked[1].method, server.asked[1].body) == ("POST", b'{"sku":"tea"}')
    assert metrics_of(client)["outbound_requests_total.ok"] == 2


def test_cookies_of_one_caller_are_not_sent_for_another(calls: Caller, server: Faulty) -> None:
    client = client_of(server, cookies={"ours": "1"})
    calls.get(client, "/cookie")
    assert calls.get(client, "/ok").json()["cookie"] == "ours=1"


def test_an_answer_with_a_bad_status_is_an_answer(calls: Caller, server: Faulty) -> None:
    server.status, server.retry_after = 503, "7"
    response = calls.get(client_of(server), "/status")
    assert response.status_code == 503
    with pytest.raises(httpx2.HTTPStatusError) as caught:
        response.raise_for_status()
    assert isinstance(caught.value, BadAnswer)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "7"})
    server.status = 404
    with pytest.raises(BadAnswer) as caught_404:
        calls.get(client_of(server), "/status").raise_for_status()
    assert caught_404.value.status == 502


def test_one_name_is_one_client(server: Faulty) -> None:
    first = http_client("one", base_url=server.url)
    assert http_client("one", base_url=server.url) is first
    with pytest.raises(ValueError, match="another name"):
        http_client("one", base_url="https://other.example.com")
    with pytest.raises(ValueError, match="another name"):
        http_client("one", base_url=server.url, rules=rules())
    with pytest.raises(TypeError, match="mounts"):
        http_client("two", mounts={})


@pytest.mark.parametrize("name", ["timeout", "attempts", "concurrency", "attempt", "slow", "limit"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_rules_that_let_no_call_through_are_refused(name: str, value: float) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        Rules(**given)


def test_a_reply_that_nobody_reads_gives_its_place_back(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(concurrency=1, waiting=0, attempts=1))
    for _ in range(3):
        assert calls.head_and_leave(client, "/endless") == 200
    assert calls.get(client, "/ok").status_code == 200


# -- what it tells the other side


def test_the_request_s_ids_and_what_is_left_of_its_time_are_passed_on(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, timeout=5.0))
    with request_with(seconds=2.0):
        told = calls.get(client, "/ok").json()
    assert told["x-request-id"] == "called-by-me"
    assert told["traceparent"] == f"00-{7 << 64:032x}-{9:016x}-00"
    assert 1.0 < float(told["x-request-timeout"]) < 2.0
    assert 4.0 < float(calls.get(client, "/ok").json()["x-request-timeout"]) <= 5.0


def test_what_the_caller_sets_itself_stays(calls: Caller, server: Faulty) -> None:
    with request_with(seconds=2.0):
        told = calls.get(client_of(server), "/ok", headers={"x-request-id": "mine", "x-request-timeout": "1"}).json()
    assert (told["x-request-id"], told["x-request-timeout"]) == ("mine", "1")


def test_a_stranger_is_told_nothing(calls: Caller, server: Faulty) -> None:
    client = http_client(a_name(), schemes=("http",), rules=rules())
    client.address.allowed = lambda: (ip_network("127.0.0.1"),)
    with request_with(seconds=2.0):
        told = calls.get(client, f"{server.url}/ok").json()
    assert not told.keys() & {"traceparent", "x-request-id", "x-request-timeout"}


# -- the deadline


@pytest.mark.beside
@pytest.mark.parametrize("path", ["/slow-body", "/slow-head", "/hang", "/endless-head"])
def test_a_call_ends_in_time_whatever_comes(calls: Caller, faults: Faults, path: str) -> None:
    server = faults()
    client = client_of(server, rules(timeout=0.5))
    begun = time.perf_counter()
    with pytest.raises((TimedOut, Unreachable)) as caught:
        calls.get(client, path)
    assert time.perf_counter() - begun < IN_TIME
    assert caught.value.headers["Retry-After"] == "1"
    if path != "/endless-head":
        assert (type(caught.value), caught.value.status) == (TimedOut, 504)
        assert metrics_of(client)["outbound_requests_total.timed_out"] == 1


@pytest.mark.beside
@pytest.mark.parametrize("path", ["/slow-body", "/slow-head", "/hang"])
def test_the_request_s_time_is_the_call_s_time(calls: Caller, faults: Faults, path: str) -> None:
    server = faults()
    with request_with(seconds=0.4) as exchange:
        begun = time.perf_counter()
        with pytest.raises(Expired):
            calls.get(client_of(server), path)
        assert time.perf_counter() - begun < IN_TIME
        assert exchange.expired == "outbound"


def test_a_request_without_time_calls_nobody(calls: Caller, server: Faulty) -> None:
    with request_with(seconds=0.0), pytest.raises(Expired):
        calls.get(client_of(server), "/ok")
    assert not server.asked


@pytest.mark.beside
def test_a_call_may_say_how_long_it_takes(calls: Caller, faults: Faults) -> None:
    server = faults()
    begun = time.perf_counter()
    with pytest.raises(TimedOut):
        calls.get(client_of(server), "/hang", timeout=0.2)
    assert time.perf_counter() - begun < IN_TIME


# -- what is no answer


@pytest.mark.parametrize("path", ["/garbage", "/reset", "/cut", "/unpackable"])
def test_what_is_no_answer_is_a_503(calls: Caller, server: Faulty, path: str) -> None:
    with pytest.raises(Unreachable) as caught:
        calls.get(client_of(server), path)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")


def test_nobody_listens(calls: Caller) -> None:
    with pytest.raises(Unreachable):
        calls.get(client_of(Faulty(url="http://127.0.0.1:1")), "/")


@pytest.mark.parametrize("path", ["/endless", "/large", "/bomb"])
def test_a_body_is_no_larger_than_the_limit(calls: Caller, server: Faulty, path: str) -> None:
    client = client_of(server, Rules(attempts=1, limit=1999))
    with pytest.raises(TooLarge) as caught:
        calls.get(client, path)
    assert caught.value.status == 502
    assert metrics_of(client)["outbound_requests_total.too_large"] == 1
    assert calls.get(client_of(server, Rules(attempts=1, limit=2000)), "/large").status_code == 200


def test_a_redirect_is_not_followed_unless_asked(calls: Caller, server: Faulty) -> None:
    assert calls.get(client_of(server), "/loop").status_code == 302
    with pytest.raises(TooManyRedirects):
        calls.get(client_of(server, follow_redirects=True), "/loop")
    assert server.counts["/loop"] == 1 + 6


# -- retries


@pytest.mark.beside
def test_what_can_be_repeated_is_tried_again(calls: Caller, faults: Faults) -> None:
    server = faults()
    server.retry_after = "0"
    client = client_of(server, rules(attempts=3))
    assert calls.get(client, "/first/1").status_code == 200
    assert calls.request(client_of(server, rules(attempts=3)), "POST", "/first/2", content=b"x").status_code == 503
    keyed = client_of(server, rules(attempts=3))
    response = calls.request(keyed, "POST", "/first/3", content=b"body", headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.content) == (200, b"body")


@pytest.mark.beside
def test_a_lost_connection_is_tried_again(calls: Caller, faults: Faults) -> None:
    server = faults()
    with pytest.raises(Unreachable):
        calls.get(client_of(server, rules(attempts=3)), "/reset")
    # The first call of a client has one token.
    assert server.counts["/reset"] == 2


@pytest.mark.beside
def test_retry_after_is_waited_for(calls: Caller, faults: Faults) -> None:
    server = faults()
    server.retry_after = "1"
    begun = time.perf_counter()
    assert calls.get(client_of(server, rules(attempts=3)), "/first").status_code == 200
    assert time.perf_counter() - begun >= 1.0


@pytest.mark.parametrize("value", ["3600", "Fri, 31 Dec 2399 23:59:59 GMT", "9" * 5000])
def test_nobody_waits_longer_than_there_is_time(calls: Caller, server: Faulty, value: str) -> None:
    server.retry_after = value
    begun = time.perf_counter()
    assert calls.get(client_of(server, Rules(trip=NEVER)), "/status").status_code == 503
    assert time.perf_counter() - begun < IN_TIME
    assert server.counts["/status"] == 1


@pytest.mark.parametrize("value", ["soon", "-5", "1e9", "٣", "Fri, 31 Feb 2026 00:00:00 GMT", ""])
def test_a_retry_after_that_is_none_counts_as_none(value: str) -> None:
    assert dependency.retry_after(value) == 0.0


@pytest.mark.beside
def test_a_dependency_that_is_down_gets_a_tenth_more_and_no_more(calls: Caller, faults: Faults) -> None:
    server = faults()
    client = client_of(server, rules(attempts=3))
    for _ in range(10):
        calls.together(client, "/status", 20)
    assert 210 < server.counts["/status"] <= 220
    assert metrics_of(client)["retry_budget_tokens"] < 1
    assert metrics_of(client)["outbound_requests_total.error"] == 200


# -- the breaker


def trip(calls: Caller, server: Faulty, client: Client) -> None:
    for _ in range(20):
        calls.get(client, "/status")
    assert client.dependency.breaker.state is State.OPEN


def let_time_pass(client: Client) -> None:
    client.dependency.breaker._reopens = 0.0


def test_a_dependency_that_is_down_is_left_alone(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(concurrency=50))
    results = [result for _ in range(6) for result in calls.together(client, "/status", 50)]
    refused = [result for result in results if isinstance(result, CircuitOpen)]
    assert len(refused) >= 200
    assert server.counts["/status"] <= 100
    assert refused[0].status == 503
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 8
    assert metrics_of(client)["breaker_state"] == 2
    assert metrics_of(client)["outbound_requests_total.circuit_open"] == len(refused)


def test_half_open_lets_exactly_so_many_probes_through(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, concurrency=200, trip=TRIP))
    trip(calls, server, client)
    let_time_pass(client)
    results = calls.gather(client, "/wait", 100)
    eventually(lambda: metrics_of(client).get("outbound_requests_total.circuit_open", 0) == 97)
    assert metrics_of(client)["breaker_state"] == 1
    eventually(lambda: server.counts["/wait"] == 3)
    server.go.set()
    answers = results()
    assert server.counts["/wait"] == 3
    assert sum(isinstance(one, httpx2.Response) for one in answers) == 3
    assert sum(isinstance(one, CircuitOpen) for one in answers) == 97
    assert client.dependency.breaker.state is State.CLOSED
    assert calls.get(client, "/ok").status_code == 200


def test_a_probe_that_fails_opens_it_again(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, trip=TRIP))
    trip(calls, server, client)
    let_time_pass(client)
    assert calls.get(client, "/status").status_code == 503
    with pytest.raises(CircuitOpen):
        calls.get(client, "/ok")


@pytest.mark.parametrize(("path", "limit"), [("/status", 2000), ("/large", 10)])
def test_a_probe_whose_answer_is_not_used_is_over(calls: Caller, server: Faulty, path: str, limit: int) -> None:
    client = client_of(server, rules(attempts=2, limit=limit, trip=TRIP))
    with suppress(CircuitOpen):
        trip(calls, server, client)
    let_time_pass(client)
    server.status, server.retry_after = 429, "0"
    with suppress(TooLarge):
        calls.get(client, path)
    assert metrics_of(client)["breaker_state"] == 1
    assert client.dependency.breaker.probing == 0


def test_slow_answers_count_as_failures(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, slow=0.01, trip=TRIP))
    calls.get(client, "/late/0.05")
    calls.together(client, "/late/0.05", 20)
    assert client.dependency.breaker.state is State.OPEN


@pytest.mark.beside
def test_bodies_that_never_end_count_as_failures(calls: Caller, faults: Faults) -> None:
    server = faults()
    client = client_of(server, rules(timeout=0.3, trip=TRIP))
    # On a busy machine there may be no time to begin some of them, and those count for nothing.
    eventually(lambda: calls.together(client, "/slow-body", 20) and client.dependency.breaker.state is State.OPEN)


@pytest.mark.beside
def test_requests_in_a_hurry_do_not(calls: Caller, faults: Faults) -> None:
    server = faults()
    client = client_of(server, rules(trip=TRIP))
    for _ in range(20):
        with request_with(seconds=0.05), pytest.raises(Expired):
            calls.get(client, "/hang")
    assert client.dependency.breaker.state is State.CLOSED


def test_answers_that_are_the_caller_s_fault_do_not(calls: Caller, server: Faulty) -> None:
    server.status = 404
    client = client_of(server, Rules(attempts=1, trip=TRIP))
    calls.together(client, "/status", 40)
    assert client.dependency.breaker.state is State.CLOSED


# -- the bulkhead


def test_only_so_many_calls_run_and_wait(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, concurrency=3, waiting=2))
    results = calls.gather(client, "/wait", 10)
    eventually(lambda: metrics_of(client).get("outbound_requests_total.bulkhead_full", 0) == 5)
    eventually(lambda: server.counts["/wait"] == 3)
    server.go.set()
    answers = results()
    assert sum(isinstance(one, httpx2.Response) for one in answers) == 5
    assert sum(isinstance(one, BulkheadFull) for one in answers) == 5
    assert metrics_of(client)["bulkhead_wait_seconds_count"] == 5
    assert metrics_of(client)["bulkhead_wait_seconds_sum"] > 0
    assert client.dependency.bulkhead.running == 0


@pytest.mark.beside
def test_nobody_waits_for_a_place_longer_than_the_call_may_take(calls: Caller, faults: Faults) -> None:
    server = faults()
    client = client_of(server, rules(timeout=0.3, concurrency=1))
    begun = time.perf_counter()
    answers = calls.together(client, "/hang", 5)
    assert time.perf_counter() - begun < IN_TIME
    assert all(isinstance(one, (TimedOut, BulkheadFull)) for one in answers)
    assert (client.dependency.bulkhead.running, client.dependency.bulkhead.queued) == (0, 0)


# -- hedging and the fallback


@pytest.mark.beside
def test_a_late_get_is_made_a_second_time(calls: Caller, faults: Faults) -> None:
    server = faults()
    client = client_of(server, rules(timeout=20.0, hedged=True))
    for _ in range(20):
        calls.get(client, "/ok")
        # Had it taken less, the second could overtake the first, on a busy machine, and be the one that waits.
        client.dependency.latencies.note(LATE)
    begun = time.perf_counter()
    assert calls.get(client, "/hedge").content == b"at once"
    assert LATE <= time.perf_counter() - begun < IN_TIME
    assert server.counts["/hedge"] == 2
    assert metrics_of(client)["hedges_total.true"] == 1
    server.go.set()
    eventually(lambda: client.dependency.bulkhead.running == 0)


def test_hedges_have_a_budget(calls: Caller, server: Faulty) -> None:
    client = client_of(server, Rules(attempts=1, hedged=True, trip=NEVER))
    for number in range(20):
        calls.get(client, f"/ok/{number}")
    calls.get(client, "/late/0.03")
    for _ in range(4):
        calls.together(client, "/late/0.03", 10)
    # 61 calls earn 3.05.
    assert server.counts["/late/0.03"] <= 41 + 3
    assert metrics_of(client)["hedges_total.true"] + metrics_of(client)["hedges_total.false"] <= 3


@pytest.mark.beside
@pytest.mark.parametrize("path", ["/status", "/reset", "/cut", "/hang"])
def test_a_fallback_answers_when_all_fails(calls: Caller, faults: Faults, path: str) -> None:
    server = faults()
    seen: list[DependencyFailed] = []

    def stale(request: httpx2.Request, failure: DependencyFailed) -> httpx2.Response:
        seen.append(failure)
        return httpx2.Response(200, json={"stale": str(request.url.path)})

    client = client_of(server, rules(timeout=0.3), fallback=stale)
    assert calls.get(client, path).json() == {"stale": path}
    assert len(seen) == 1


# -- where a URL that came from input may lead

REFUSED = (
    *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com"),
    *("https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/"),
    *("https://localhost/", "https://0.0.0.0/", "https://0/", "https://10.0.0.7/"),
    *("https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/"),
    *("https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/", "https://192.0.2.1/", "https://198.18.0.1/"),
    *("https://[::]/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:a00:7]/", "https://[::7f00:1]/"),
    *("https://[fe80::1]/", "https://[fc00::1]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/"),
    *("https://[64:ff9b::7f00:1]/", "https://[64:ff9b::a00:7]/", "https://[2002:7f00:1::]/", "https://[2001::1]/"),
    *("https://user@127.0.0.1/", "https://127.0.0.1:22/", "https://①②⑦.⓪.⓪.①/", "https://", "not a url"),
)  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_inside_is_refused(calls: Caller, url: str) -> None:
    client = http_client("from-input", rules=Rules(timeout=2.0))
    with pytest.raises(AddressRefused) as caught:
        calls.get(client, url)
    assert caught.value.status == 422
    assert client.dependency.breaker.state is State.CLOSED


def test_a_name_that_also_leads_inside_is_refused() -> None:
    address = http_client("from-input", rules=Rules(timeout=2.0)).address
    assert address.checked(["1.1.1.1", "2606:4700::1111"])
    with pytest.raises(AddressRefused):
        address.checked(["1.1.1.1", "127.0.0.1"])


@pytest.mark.parametrize("url", ["https://[", "https://nowhere.invalid/", f"https://{'a' * 300}/", "https://a..b/"])
def test_a_url_that_leads_nowhere_breaks_nothing(calls: Caller, url: str) -> None:
    client = http_client("leads-nowhere", rules=Rules(attempts=1, timeout=2.0, trip=Trip(calls=1)))
    for _ in range(2):
        with pytest.raises((Unreachable, AddressRefused)):
            calls.get(client, url)


def test_a_redirect_that_leads_inside_is_refused(calls: Caller, server: Faulty) -> None:
    client = client_of(server, follow_redirects=True, schemes=("http", "https"))
    with faulty() as inside:
        with pytest.raises(AddressRefused):
            calls.get(client, f"/to?url={inside.url}/ok")
        assert not inside.asked
    assert calls.get(client, f"/to?url={server.url}/ok").status_code == 200
    assert calls.get(client, "/to?url=/ok").status_code == 200


def test_another_address_than_the_base_url_is_guarded(calls: Caller, server: Faulty) -> None:
    with faulty() as inside, pytest.raises(AddressRefused):
        calls.get(client_of(server, schemes=("http",)), f"{inside.url}/ok")
    assert not inside.asked
    with faulty() as inside:
        assert calls.get(client_of(server, guarded=False), f"{inside.url}/ok").status_code == 200


def test_the_base_url_is_guarded_where_that_is_asked_for(calls: Caller, server: Faulty) -> None:
    with pytest.raises(AddressRefused):
        calls.get(client_of(server, guarded=True, schemes=("http",)), "/ok")
    assert not server.asked
