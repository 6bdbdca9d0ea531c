"""Traces: W3C context in and out, spans as a real OTLP receiver sees them, no request waits for a collector."""

import secrets
import subprocess
import sys
from concurrent.futures import Future

import pytest

from app.chassis import about
from app.chassis.tracing import Settings
from tests.chassis.collector import Collector
from tests.chassis.conftest import Start, Stay
from tests.chassis.running import ROOT, Service

CALLER = "00f067aa0ba902b7"
FORKING = """
import os
from app.chassis import tracing

for _ in range(2):
    if os.fork() == 0:
        print(tracing._random_bits(128), flush=True)
        os._exit(0)
    os.wait()
"""


def traceparent(flags: str = "01") -> tuple[str, dict[str, str]]:
    """A trace id and the header of a caller that keeps (01) or drops (00) it."""
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{CALLER}-{flags}"}


@pytest.mark.beside
def test_a_request_is_a_server_span_under_its_caller(production: Service, traces: Collector) -> None:
    trace_id, headers = traceparent()
    reply = production.http.get("/probe/items/7", headers=headers)
    (span,) = traces.trace(trace_id)
    assert (span.name, span.kind, span.parent_id) == ("GET /probe/items/{item_id}", "SERVER", CALLER)
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/probe/items/{item_id}",
        "http.response.status_code": 200,
        "url.path": "/probe/items/7",
        "client.address": "127.0.0.1",
    }
    assert not span.failed
    assert span.service["service.name"] == about.NAME
    assert span.service["service.version"] == "7.6.5"
    line = production.line(event="http.request", trace_id=trace_id)
    assert line["span_id"] == span.span_id
    assert reply.headers["x-request-id"] == trace_id


@pytest.mark.beside
def test_a_request_without_a_caller_starts_a_trace(production: Service, traces: Collector) -> None:
    trace_id = production.http.get("/probe/ok").headers["x-request-id"]
    (span,) = traces.trace(trace_id)
    assert span.parent_id == ""


@pytest.mark.beside
def test_the_database_is_a_child_span(production: Service, traces: Collector) -> None:
    trace_id, headers = traceparent()
    production.http.get("/probe/sql", headers=headers)
    spans = traces.trace(trace_id, count=2)
    (server,) = [span for span in spans if span.kind == "SERVER"]
    (statement,) = [span for span in spans if "SELECT 1" in str(span.attributes.get("db.query.text"))]
    assert (statement.kind, statement.parent_id) == ("CLIENT", server.span_id)
    assert statement.attributes["db.system.name"] in {"sqlite", "postgresql", "mysql", "mariadb"}


@pytest.mark.beside
def test_an_error_marks_the_span(production: Service, traces: Collector) -> None:
    trace_id, headers = traceparent()
    production.http.get("/probe/boom", headers=headers)
    (span,) = traces.trace(trace_id)
    assert span.failed
    assert span.events == ["exception"]
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (500, "RuntimeError")


def test_secrets_in_an_error_stay_here(production: Service, traces: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = []

    def keep(body: bytes) -> None:
        bodies.append(body)
        receive(body)

    receive = traces.receive
    monkeypatch.setattr(traces, "receive", keep)
    trace_id, headers = traceparent()
    message = "postgres://ada:hunter2@db/x password=hunter3"
    production.http.get("/probe/fail", params={"message": message}, headers=headers)
    traces.trace(trace_id)
    arrived = b"".join(bodies)
    assert b"RuntimeError: postgres://ada:[redacted]@db/x password=[redacted]" in arrived
    assert b"hunter" not in arrived


@pytest.mark.beside
def test_a_client_s_mistake_is_no_failure_of_the_server(production: Service, traces: Collector) -> None:
    trace_id, headers = traceparent()
    production.http.get("/nowhere/7", headers=headers)
    (span,) = traces.trace(trace_id)
    assert (span.failed, span.name, span.attributes["http.response.status_code"]) == (False, "GET unmatched", 404)


@pytest.mark.beside
def test_outgoing_calls_carry_the_trace_on(production: Service, traces: Collector) -> None:
    trace_id, headers = traceparent()
    sent = {**headers, "tracestate": "vendor=1", "x-request-id": "chosen-by-caller"}
    outgoing = production.http.get("/probe/outgoing", headers=sent).json()
    (span,) = traces.trace(trace_id)
    assert outgoing["traceparent"] == f"00-{trace_id}-{span.span_id}-01"
    assert (outgoing["tracestate"], outgoing["x-request-id"]) == ("vendor=1", "chosen-by-caller")


@pytest.mark.parametrize("state", [b"vendor=" + b"1" * 506, b"vendor=\xe9"])
def test_a_tracestate_that_is_too_long_or_not_ascii_goes_no_further(production: Service, state: bytes) -> None:
    trace_id, headers = traceparent()
    sent = {**{name.encode(): value.encode() for name, value in headers.items()}, b"tracestate": state}
    outgoing = production.http.get("/probe/outgoing", headers=sent).json()
    assert outgoing["traceparent"].startswith(f"00-{trace_id}-")
    assert "tracestate" not in outgoing


def test_without_tracing_only_a_caller_s_decision_is_carried_on(development: Service) -> None:
    """A "not sampled" of our own would make every service that follows its parent drop the trace."""
    assert set(development.http.get("/probe/outgoing").json()) == {"x-request-id"}
    trace_id, headers = traceparent()
    outgoing = development.http.get("/probe/outgoing", headers=headers).json()["traceparent"]
    assert outgoing.startswith(f"00-{trace_id}-")
    assert outgoing.endswith("-01")


@pytest.mark.beside
def test_forked_workers_do_not_share_ids() -> None:
    forked = subprocess.run([sys.executable, "-c", FORKING], cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = forked.stdout.split()
    assert first != second


@pytest.mark.parametrize(
    "given",
    [
        "ff-{id}-00f067aa0ba902b7-01",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-{id}-0000000000000000-01",
        "00-{id}-00f067aa0ba902b7",
        "00-{id}-00f067aa0ba902b7-01-extra",
        "00-{ID}-00f067aa0ba902b7-01",
        "nonsense",
    ],
)
def test_an_invalid_traceparent_is_ignored(production: Service, given: str) -> None:
    trace_id = secrets.token_hex(15) + "af"
    header = given.format(id=trace_id, ID=trace_id.upper())
    outgoing = production.http.get("/probe/outgoing", headers={"traceparent": header}).json()
    _, new_id, parent, flags = outgoing["traceparent"].split("-")
    assert new_id not in {trace_id, "0" * 32}
    assert (len(new_id), len(parent), flags) == (32, 16, "01")


@pytest.mark.beside("managed")
@pytest.mark.parametrize(("kept", "flags"), [("production", "00"), ("managed", "01")])
def test_the_caller_s_decision_wins_over_the_ratio(
    running: dict[str, Service], traces: Collector, kept: str, flags: str
) -> None:
    service = running[kept].ready()
    trace_id, headers = traceparent(flags)
    outgoing = service.http.get("/probe/outgoing", headers=headers).json()
    assert outgoing["traceparent"].startswith(f"00-{trace_id}-")
    assert outgoing["traceparent"].endswith(f"-{flags}")
    assert len(after_another(service, traces, trace_id)) == int(flags)


@pytest.mark.beside("managed")
def test_the_ratio_decides_without_a_caller(managed: Service, traces: Collector) -> None:
    reply = managed.http.get("/probe/outgoing")
    assert reply.json()["traceparent"].endswith("-00")
    assert after_another(managed, traces, reply.headers["x-request-id"]) == []


def after_another(service: Service, traces: Collector, trace_id: str) -> list[object]:
    """What came of this trace by the time that a later, kept trace has come."""
    later, headers = traceparent()
    service.http.get("/probe/ok", headers=headers)
    traces.trace(later)
    return list(traces.known(trace_id))


@pytest.mark.parametrize("module", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_an_endpoint_the_sdk_is_not_even_imported(
    development: Service, production: Service, module: str
) -> None:
    def imported(service: Service, module: str) -> bool:
        return bool(service.http.get("/probe/imported", params={"module": module}).json()["imported"])

    assert imported(production, module)
    # redis-py 8 imports the SDK by itself where it is installed; the exporter, which costs more, it does not.
    assert not imported(development, module) or (module.endswith("sdk") and imported(development, "redis"))


@pytest.mark.beside
def test_an_endpoint_in_dotenv_counts(start: Start, traces: Collector) -> None:
    service = start(
        dotenv=f"OTEL_EXPORTER_OTLP_ENDPOINT={traces.url}\n",
        **dict.fromkeys(("ENVIRONMENT", "SECRET_KEY", "ALLOWED_HOSTS")),
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    trace_id = service.ready().http.get("/probe/ok").headers["x-request-id"]
    assert traces.trace(trace_id)


@pytest.mark.parametrize(
    ("everything", "alone", "endpoint"),
    [
        ("http://c:4318", None, "http://c:4318/v1/traces"),
        ("http://c/otlp/", None, "http://c/otlp/v1/traces"),
        ("http://c:4318", "https://t/spans", "https://t/spans"),
        (None, None, ""),
    ],
)
def test_only_the_general_endpoint_gets_a_path(everything: str | None, alone: str | None, endpoint: str) -> None:
    settings = Settings(otel_exporter_otlp_endpoint=everything, otel_exporter_otlp_traces_endpoint=alone)
    assert settings.endpoint == endpoint


@pytest.mark.beside
def test_an_endpoint_without_a_scheme_stops_the_start(start: Start) -> None:
    service = start(OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318")
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert line.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://")


def test_spans_are_flushed_at_shutdown(terminated: Service, traces: Collector) -> None:
    line = terminated.line(event="http.request", request_id="last-request")
    assert [span.name for span in traces.known(line["trace_id"])] == ["GET /probe/ok"]


# -- a collector that is no use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("collector", ["hangs", "closed"])
def test_a_useless_collector_slows_no_request(useless: dict[str, Future[Stay]], collector: str) -> None:
    assert useless[collector].result().request < 1


@pytest.mark.parametrize("collector", ["hangs", "closed"])
def test_a_useless_collector_does_not_hold_the_stop(useless: dict[str, Future[Stay]], collector: str) -> None:
    """The exporter's own time limit is 10 s."""
    assert useless[collector].result().stop < 6
    assert useless[collector].result().status == 0
