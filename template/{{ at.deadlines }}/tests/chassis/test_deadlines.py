"""Deadlines: nobody works for a client that has given up, and nothing stays behind."""

import time

import httpx2
import pytest

from app.chassis import deadlines
from app.chassis.settings import problems
from tests.chassis.running import Service, eventually

# Seconds: far less than what is cut off would take, far more than a busy machine needs to do it.
SOON = 5.0


def timed(service: Service, path: str, **headers: str) -> tuple[httpx2.Response, float]:
    service.ready()
    started = time.monotonic()
    reply = service.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return reply, time.monotonic() - started


def expired(service: Service, stage: str) -> float:
    return service.metric("deadline_expired_total", stage=stage)


@pytest.mark.beside("hurried")
def test_a_client_says_how_long_it_waits(hurried: Service) -> None:
    for header, timeout in (("x-request-timeout", "0.3"), ("grpc-timeout", "300m"), ("x-request-timeout", "300000u")):
        reply, seconds = timed(hurried, "/probe/steps", **{header: timeout})
        assert reply.status_code == 504
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["trace_id"]
        assert 0.3 <= seconds < SOON


@pytest.mark.beside("hurried")
def test_without_a_word_it_is_the_service_s(hurried: Service) -> None:
    reply, seconds = timed(hurried, "/probe/steps")
    assert reply.status_code == 504
    assert 1 <= seconds < SOON


@pytest.mark.beside("hurried")
def test_a_client_gets_no_more_than_the_cap(hurried: Service) -> None:
    reply, seconds = timed(hurried, "/probe/steps", x_request_timeout="3600")
    assert reply.status_code == 504
    assert 2 <= seconds < SOON


@pytest.mark.beside("hurried")
def test_a_route_may_have_a_budget_of_its_own(hurried: Service) -> None:
    assert timed(hurried, "/probe/brief?seconds=0.3")[0].status_code == 504
    assert 0 < timed(hurried, "/probe/brief?seconds=0")[0].json() <= 0.2
    assert 6 < timed(hurried, "/probe/remaining/x")[0].json() <= 7


@pytest.mark.beside("hurried")
def test_a_statement_ends_with_its_request(hurried: Service) -> None:
    before = expired(hurried, "work") + expired(hurried, "database")
    reply, seconds = timed(hurried, "/probe/statement", x_request_timeout="0.5")
    assert reply.status_code == 504
    assert 0.5 <= seconds < SOON
    eventually(lambda: timed(hurried, "/probe/statements")[0].text == "0")
    assert expired(hurried, "work") + expired(hurried, "database") > before


@pytest.mark.beside("hurried")
def test_its_connection_comes_back(hurried: Service) -> None:
    for _ in range(3):
        assert timed(hurried, "/probe/statement", x_request_timeout="0.1")[0].status_code == 504
    reply, seconds = timed(hurried, "/probe/sql")
    assert reply.status_code == 200
    assert seconds < SOON


@pytest.mark.beside("hurried")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1),
        ({"x_request_timeout": "0.7"}, 0.7),
        ({"grpc_timeout": "1500m"}, 1.5),
        ({"x_request_timeout": "3600"}, 2),
    ],
)
def test_a_view_is_told_what_is_left(hurried: Service, headers: dict[str, str], seconds: float) -> None:
    # Of several requests one was not kept waiting.
    left = max(timed(hurried, "/probe/left", **headers)[0].json() for _ in range(5))
    assert seconds - 0.2 < left <= seconds


@pytest.mark.beside("hurried")
@pytest.mark.parametrize("timeout", ["0", "0.0", "0m"])
def test_a_request_without_time_is_not_begun(hurried: Service, timeout: str) -> None:
    before = expired(hurried, "queue")
    assert timed(hurried, "/probe/log?message=begun-in-vain", x_request_timeout=timeout)[0].status_code == 504
    assert expired(hurried, "queue") == before + 1
    assert not hurried.lines(event="begun-in-vain")


@pytest.mark.beside("hurried")
def test_time_in_a_proxy_s_queue_counts(hurried: Service) -> None:
    now = time.time()
    assert timed(hurried, "/probe/ok", x_request_start=f"t={now - 5:.3f}")[0].status_code == 504
    assert timed(hurried, "/probe/ok", x_request_start=f"{(now - 5) * 1000:.0f}")[0].status_code == 504
    assert timed(hurried, "/probe/ok", x_request_start=f"t={now + 5:.3f}")[0].status_code == 200
    for nonsense in ("yesterday", "t=", "1", "t=99999999999999999999", f"t={now - 10**6:.3f}"):
        assert timed(hurried, "/probe/ok", x_request_start=nonsense)[0].status_code == 200


def test_the_word_of_a_stranger_does_not(production: Service) -> None:
    reply, _ = timed(production, "/probe/ok", x_request_start=f"t={time.time() - 59:.3f}")
    assert reply.status_code == 200


@pytest.mark.beside("hurried")
@pytest.mark.parametrize("timeout", ["soon", "-1", "1e3", "nan", "inf", "2 seconds", "1" * 10_000, "999999999m"])
def test_a_timeout_that_is_none_is_refused(hurried: Service, timeout: str) -> None:
    reply = hurried.ready().http.get("/probe/ok", headers={"x-request-timeout": timeout})
    assert reply.status_code == 400
    assert "such as 2.5" in reply.json()["detail"]


@pytest.mark.beside("hurried")
def test_what_streams_may_take_its_time(hurried: Service) -> None:
    reply, seconds = timed(hurried, "/probe/stream", x_request_timeout="0.4")
    assert reply.text == "None None "
    assert seconds >= 1


@pytest.mark.beside("hurried")
def test_probes_have_no_budget(hurried: Service) -> None:
    assert timed(hurried, "/livez", x_request_timeout="0")[0].status_code == 200


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REQUEST_TIMEOUT", "0"),
        ("REQUEST_TIMEOUT", "-1"),
        ("REQUEST_TIMEOUT", "soon"),
        ("REQUEST_TIMEOUT", "1e9"),
        ("REQUEST_TIMEOUT_CAP", "5"),
        ("REQUEST_TIMEOUT_CAP", "inf"),
    ],
)
def test_a_wrong_budget_stops_the_start(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    (line,) = problems([deadlines.Settings])
    assert line.startswith(f"{variable}: ")


def test_digits_are_ascii() -> None:
    assert deadlines.parsed("\u0663") is None


def test_units_are_those_of_grpc() -> None:
    assert [deadlines.parsed(text) for text in ("2H", "3M", "4S", "5m", "6u")] == [7200, 180, 4, 0.005, 6e-6]
