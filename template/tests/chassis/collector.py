"""An OTLP receiver: a real HTTP server that decodes the protobuf of the spans it is sent."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.chassis.running import eventually


@dataclass(frozen=True)
class Received:
    """A span as it came in, its ids as they are written in log lines."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    attributes: dict[str, Any]
    events: list[str]
    service: dict[str, Any]


class Collector:
    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Received] = []

    def receive(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: value(one.value) for one in resource.resource.attributes}
            self.spans += [received(span, service) for scope in resource.scope_spans for span in scope.spans]

    def trace(self, trace_id: str, count: int = 1) -> list[Received]:
        """The spans of this trace, as soon as there are that many."""
        return eventually(lambda: found if len(found := self.known(trace_id)) >= count else [])

    def known(self, trace_id: str) -> list[Received]:
        return [span for span in self.spans if span.trace_id == trace_id]


def received(span: Span, service: dict[str, Any]) -> Received:
    return Received(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        failed=span.status.code == Status.StatusCode.STATUS_CODE_ERROR,
        attributes={one.key: value(one.value) for one in span.attributes},
        events=[event.name for event in span.events],
        service=service,
    )


def value(given: AnyValue) -> Any:
    kind = given.WhichOneof("value")
    return getattr(given, kind) if kind else None


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.receive(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gave it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()
