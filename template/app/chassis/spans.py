"""Spans of the OpenTelemetry SDK: imported by `tracing` only when an endpoint is set."""

import threading
import traceback
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Setter, default_setter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState

from app.chassis import about, tracing
from app.chassis.exchange import Exchange, current
from app.chassis.logging import redact

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOTHING = Context()
_tracer: Tracer = NoOpTracer()


class RequestIds(RandomIdGenerator):
    """A request's root span carries the trace id that its log lines carry."""

    def generate_trace_id(self) -> int:
        exchange = current.get()
        return super().generate_trace_id() if exchange is None else exchange.trace_id


class RequestSampler(Sampler):
    """Spans without a parent follow the request they belong to, which `tracing.begin` has decided on."""

    def should_sample(self, *span: Any, **more: Any) -> SamplingResult:
        exchange = current.get()
        unwanted = exchange is not None and not exchange.trace_flags
        return (ALWAYS_OFF if unwanted else ALWAYS_ON).should_sample(*span, **more)

    def get_description(self) -> str:
        return "RequestSampler"


class RequestPropagator(TraceContextTextMapPropagator):
    """W3C trace context. A request that is not sampled has no span to take it from, and still hands it on."""

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        exchange = current.get()
        if exchange is None or exchange.span is not None:
            super().inject(carrier, context, setter)
            return
        for name, value in tracing.outgoing().items():
            setter.set(carrier, name, value)


class LateExporter(SpanExporter):
    """OTLP over HTTP, imported by the thread that exports, when it first does: it is a fifth of the start."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @cached_property
    def exporter(self) -> SpanExporter:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        return OTLPSpanExporter(self.endpoint)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.exporter.export(spans)

    def shutdown(self) -> None:
        if "exporter" in self.__dict__:
            self.exporter.shutdown()


def install(service_name: str, endpoint: str) -> TracerProvider:
    """Make the process's tracer provider and propagator, the global ones for the application's own spans too."""
    global _tracer
    resource = Resource.create({"service.name": service_name, "service.version": about.version()})
    made = TracerProvider(
        resource=resource,
        sampler=ParentBased(RequestSampler()),
        id_generator=RequestIds(),
        # `shut_down` does it, within a time limit; the SDK's own would wait for a dead collector.
        shutdown_on_exit=False,
    )
    made.add_span_processor(BatchSpanProcessor(LateExporter(endpoint)))
    trace.set_tracer_provider(made)
    set_global_textmap(CompositePropagator([RequestPropagator(), W3CBaggagePropagator()]))
    _tracer = made.get_tracer("app")
    return made


def shut_down(made: TracerProvider, *, seconds: float) -> None:
    """Export what waits, but let no dead collector hold the process for longer than `seconds`."""
    closing = threading.Thread(target=made.shutdown, name="span-shutdown", daemon=True)
    closing.start()
    closing.join(seconds)


def begin(exchange: Exchange) -> None:
    """Start the request's span and make it the current one."""
    kind = SpanKind[exchange.span_kind]
    exchange.span = span = _tracer.start_span(exchange.method, context=_parent(exchange), kind=kind)
    exchange.span_id = span.get_span_context().span_id
    exchange.span_token = context.attach(trace.set_span_in_context(span, _NOTHING))


def _parent(exchange: Exchange) -> Context:
    if not exchange.parent_id:
        return _NOTHING
    state = TraceState.from_header([exchange.trace_state]) if exchange.trace_state else None
    remote = SpanContext(exchange.trace_id, exchange.parent_id, is_remote=True, trace_flags=_SAMPLED, trace_state=state)
    return trace.set_span_in_context(NonRecordingSpan(remote), _NOTHING)


def end(exchange: Exchange) -> None:
    span = exchange.span
    if span is None or exchange.span_token is None:
        return
    context.detach(exchange.span_token)
    span.update_name(f"{exchange.method} {exchange.route}")
    span.set_attributes(exchange.span_attributes())
    if exchange.status >= 500:
        if exchange.error is not None:
            _record(span, exchange.error)
        span.set_attribute("error.type", type(exchange.error).__name__ if exchange.error else str(exchange.status))
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _record(span: Span, error: BaseException) -> None:
    """What the SDK would record, without the secrets that the text of an error may quote."""
    text = {"exception.message": str(error), "exception.stacktrace": "".join(traceback.format_exception(error))}
    span.record_exception(error, attributes=redact(text))


def active_id() -> int:
    """The id of the innermost span that is being recorded."""
    return trace.get_current_span().get_span_context().span_id
