"""A client span for every call to another service of a sampled request."""

import httpx2
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_tracer, use_span

from app.chassis import tracing


def begin(request: httpx2.Request, name: str) -> Span:
    url = request.url
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "server.address": url.host,
        # Queries and user names carry secrets.
        "url.full": str(url.copy_with(query=None, fragment=None, username=None, password=None)),
        "peer.service": name,
    }
    if url.port:
        attributes["server.port"] = url.port
    return get_tracer("app.outbound").start_span(request.method, kind=SpanKind.CLIENT, attributes=attributes)


def outgoing(span: Span) -> dict[str, str]:
    """The headers that make what is called a child of this span."""
    with use_span(span):
        return tracing.outgoing()


def end(span: Span, *, status: int, error: BaseException | None, resent: int) -> None:
    if status:
        span.set_attribute("http.response.status_code", status)
    if resent:
        span.set_attribute("http.request.resend_count", resent)
    if error is not None or status >= 400:
        span.set_attribute("error.type", str(status) if error is None else type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
