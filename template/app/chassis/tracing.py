"""Traces: W3C context in and out, spans exported over OTLP when an endpoint is set, nothing imported when not."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Literal

from pydantic import Field, field_validator

from app.chassis import about
from app.chassis.exchange import Exchange, current
from app.chassis.settings import BaseSettings, load

Sampler = Literal[
    "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off",
    "parentbased_traceidratio",
]  # fmt: skip
SHUTDOWN_SECONDS = 3.0
TRACE_STATE_LENGTH = 512
# W3C Trace Context, section 3.2: version ff and ids of zeros are invalid; later versions than 00 may append fields.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII
)
_LOW_64_BITS = (1 << 64) - 1


class Settings(BaseSettings):
    """The variables that OpenTelemetry itself defines; the SDK reads the others (`OTEL_BSP_*`, headers, ...)."""

    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="Where spans go, OTLP over HTTP; no endpoint, no tracing.", examples=["http://localhost:4318"]
    )
    otel_exporter_otlp_traces_endpoint: str | None = Field(
        None, description="The same for traces alone, the whole URL.", examples=["http://localhost:4318/v1/traces"]
    )
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = Field(
        "http/protobuf", description="The one protocol that is built in.", examples=["http/protobuf"]
    )
    otel_sdk_disabled: bool = Field(default=False, description="Turn tracing off.", examples=["false"])
    otel_traces_exporter: Literal["otlp", "none"] = Field(
        "otlp", description="otlp, or none to turn tracing off.", examples=["otlp"]
    )
    otel_traces_sampler: Sampler = Field(
        "parentbased_traceidratio", description="Who decides.", examples=["parentbased_traceidratio"]
    )
    otel_traces_sampler_arg: float | None = Field(
        None, ge=0, le=1, description="Share of new traces kept; default 0.05 in production, else 1.", examples=["0.05"]
    )
    otel_service_name: str = Field(about.NAME, description="The service's name in traces.", examples=[about.NAME])

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def refuse_other_schemes(cls, value: str | None) -> str | None:
        if value is not None and not value.lower().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @property
    def endpoint(self) -> str:
        """Where spans go, empty for nowhere. The SDK would look for it in the environment alone, not in `.env`."""
        if self.otel_exporter_otlp_traces_endpoint:
            return self.otel_exporter_otlp_traces_endpoint
        base = self.otel_exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else ""

    @property
    def enabled(self) -> bool:
        return bool(self.endpoint) and not self.otel_sdk_disabled and self.otel_traces_exporter == "otlp"

    @property
    def ratio(self) -> float:
        """The share of requests without a (trusted) parent that are sampled."""
        if self.otel_traces_sampler.endswith("traceidratio"):
            default = 0.05 if self.environment == "production" else 1.0
            return default if self.otel_traces_sampler_arg is None else self.otel_traces_sampler_arg
        return 1.0 if self.otel_traces_sampler.endswith("always_on") else 0.0


_spans: ModuleType | None = None
_threshold = 0
_follow_parent = True
_random = Random()  # noqa: S311 - ids, not secrets
_random_bits = _random.getrandbits
# A forked worker starts with its parent's state: the next one would give the same ids again.
os.register_at_fork(after_in_child=_random.seed)


@contextmanager
def resources() -> Iterator[None]:
    global _spans, _threshold, _follow_parent
    settings = load(Settings)
    if not settings.enabled:
        yield
        return
    from app.chassis import spans  # noqa: PLC0415 - the SDK is imported only where spans are wanted

    _threshold = int(settings.ratio * 2**64)
    _follow_parent = settings.otel_traces_sampler.startswith("parentbased")
    provider = spans.install(settings.otel_service_name, settings.endpoint)
    _spans = spans
    try:
        yield
    finally:
        _spans = None
        spans.shut_down(provider, seconds=SHUTDOWN_SECONDS)


def enabled() -> bool:
    """Whether spans are exported: known once the resources are open."""
    return _spans is not None


def begin(exchange: Exchange) -> None:
    """Give the request its ids and, when it is sampled, its server span."""
    traceparent = exchange.header("traceparent")
    parent = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
    if parent is None:
        exchange.trace_id = _random_bits(128) or 1
        sampled = exchange.trace_id & _LOW_64_BITS < _threshold
    else:
        exchange.trace_id, exchange.parent_id = int(parent[1], 16), int(parent[2], 16)
        state = exchange.header("tracestate")
        # It goes on to whatever is called: no more of it than the specification asks to carry, and nothing but ASCII.
        if state is not None and len(state) <= TRACE_STATE_LENGTH and state.isascii():
            exchange.trace_state = state
        by_ratio = exchange.trace_id & _LOW_64_BITS < _threshold
        sampled = bool(int(parent[3], 16) & 1) if _follow_parent else by_ratio
    if sampled:
        exchange.trace_flags = 1
    if sampled and _spans is not None:
        _spans.begin(exchange)
    else:
        exchange.span_id = _random_bits(64) or 1


def end(exchange: Exchange) -> None:
    """Close the span of a sampled request: its route and status are known."""
    if _spans is not None:
        _spans.end(exchange)


def outgoing() -> dict[str, str]:
    """The headers that carry this request's trace and id to whatever it calls; empty outside a request."""
    exchange = current.get()
    if exchange is None:
        return {}
    headers = {"x-request-id": exchange.request_id}
    if _spans is None and not exchange.parent_id:
        # Nobody has decided on this trace: "not sampled" would make all that is called drop it.
        return headers
    span_id = exchange.span_id if exchange.span is None or _spans is None else _spans.active_id()
    headers["traceparent"] = f"00-{exchange.trace_id:032x}-{span_id:016x}-{exchange.trace_flags:02x}"
    if exchange.trace_state:
        headers["tracestate"] = exchange.trace_state
    return headers
