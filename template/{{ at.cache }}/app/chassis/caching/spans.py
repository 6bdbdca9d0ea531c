"""A client span for every question to the store, of a sampled request: what was asked, never about which key."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer

from app.chassis.exchange import current


@contextmanager
def asking(operation: str) -> Iterator[None]:
    exchange = current.get()
    if exchange is None or exchange.span is None:
        yield
        return
    attributes: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": operation}
    span = get_tracer("app.cache").start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
    try:
        yield
    except Exception as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()
