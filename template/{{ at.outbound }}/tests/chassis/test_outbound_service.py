"""A running service that calls another one: what its client sees, its spans and its metrics."""

import subprocess
import sys
import time

import pytest

from app.chassis.outbound import Settings
from app.chassis.settings import problems
from tests.chassis.collector import Collector
from tests.chassis.faulty import Faulty
from tests.chassis.running import ROOT, Service, eventually, has

CALLER = "00f067aa0ba902b7"


@pytest.mark.beside
@pytest.mark.parametrize(("path", "status"), [("/reset", 503), ("/garbage", 503), ("/hang", 504), ("/endless", 502)])
def test_a_failure_that_nobody_handles_is_a_problem(calling: Service, path: str, status: int) -> None:
    begun = time.perf_counter()
    reply = calling.http.get("/probe/call", params={"path": path})
    assert time.perf_counter() - begun < 5
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.headers["retry-after"] == "1"
    assert reply.json()["status"] == status


def test_a_status_that_is_raised_is_a_problem(calling: Service, dependency: Faulty) -> None:
    dependency.status, dependency.retry_after = 503, "9"
    reply = calling.http.get("/probe/call", params={"path": "/status"})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "9")


def test_a_url_from_input_leads_nowhere_inside(calling: Service, dependency: Faulty) -> None:
    asked = len(dependency.asked)
    for url in (dependency.url, "http://169.254.169.254/latest", "http://[::1]/", "file:///etc/passwd", "no url"):
        reply = calling.http.get("/probe/fetch", params={"url": url})
        assert reply.status_code == 422
        assert reply.json()["detail"] == "This URL may not be called."
    assert len(dependency.asked) == asked


@pytest.mark.beside
@pytest.mark.skipif(not has("deadlines"), reason="requests have no deadline in this service")
@pytest.mark.parametrize("path", ["/hang", "/slow-body", "/slow-head"])
def test_a_call_ends_with_the_request_s_time(calling: Service, path: str) -> None:
    before = calling.metric("deadline_expired_total", stage="outbound")

    def cut_off() -> bool:
        reply = calling.http.get("/probe/call", params={"path": path}, headers={"X-Request-Timeout": "0.3"})
        assert reply.status_code == 504
        return calling.metric("deadline_expired_total", stage="outbound") > before

    # On a busy machine the time may be over before there is a call.
    eventually(cut_off)


def test_a_call_is_a_span_and_what_is_called_is_its_child(
    calling: Service, dependency: Faulty, traces: Collector
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-01", "x-request-id": "followed"}
    assert calling.http.get("/probe/call", params={"path": "/ok?secret=1"}, headers=headers).status_code == 200
    spans = {span.kind: span for span in traces.trace(trace_id, count=2)}
    assert spans["CLIENT"].parent_id == spans["SERVER"].span_id
    told = dependency.asked[-1].headers
    assert told["traceparent"] == f"00-{trace_id}-{spans['CLIENT'].span_id}-01"
    assert told["x-request-id"] == "followed"
    attributes = spans["CLIENT"].attributes
    assert (attributes["url.full"], attributes["http.response.status_code"]) == (f"{dependency.url}/ok", 200)
    assert (attributes["peer.service"], spans["CLIENT"].failed) == ("dependency", False)


def test_the_figures_are_there(calling: Service) -> None:
    calling.http.get("/probe/call", params={"path": "/ok"})
    ok = calling.metric("outbound_requests_total", name="dependency", outcome="ok")
    calling.http.get("/probe/call", params={"path": "/ok"})
    assert calling.metric("outbound_requests_total", name="dependency", outcome="ok") == ok + 1
    assert calling.metric("breaker_state", name="dependency") == 0
    assert 0 < calling.metric("retry_budget_tokens", name="dependency") <= 10
    assert calling.metric("bulkhead_wait_seconds_count", name="dependency") > ok
    assert calling.metric("hedges_total", name="dependency", won="true") == 0


@pytest.mark.beside
def test_a_service_that_calls_nobody_imports_no_client() -> None:
    code = "import sys, app.chassis.parts; print({'httpx2', 'httpcore2', 'stamina'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("OUTBOUND_TIMEOUT", value) for value in ("0", "-1", "nan", "inf", "1e9", "soon")),
        *(("OUTBOUND_ATTEMPTS", value) for value in ("0", "-1", "11", "2.5", "many")),
        *(("OUTBOUND_CONCURRENCY", value) for value in ("0", "-1", "100000000", "all")),
        *(("OUTBOUND_ALLOW", value) for value in ("10.0.0.1/8", "localhost", "10.0.0.0/33")),
    ],
)
def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    (line,) = problems([Settings])
    assert line.startswith(f"{name}: ")
