"""A client span for every statement of a sampled request: the statement, never its values."""

from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_tracer
from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.chassis import dialect
from app.chassis.exchange import current


def install(engine: AsyncEngine) -> None:
    tracer = get_tracer("app.database")
    attributes = describe(engine.url)
    namespace = attributes["db.namespace"]

    def begin(connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool) -> None:  # noqa: FBT001
        exchange = current.get()
        if exchange is None or exchange.span is None:
            return
        operation = statement.split(None, 1)[0].upper()
        connection.info["span"] = tracer.start_span(
            f"{operation} {namespace}",
            kind=SpanKind.CLIENT,
            attributes={**attributes, "db.operation.name": operation, "db.query.text": statement},
        )

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", finish)
    event.listen(engine.sync_engine, "handle_error", fail, insert=True)


def describe(url: URL) -> dict[str, str | int]:
    """What is the same for every statement, by OpenTelemetry's semantic conventions."""
    attributes: dict[str, str | int] = {"db.system.name": dialect.SYSTEM, "db.namespace": dialect.namespace(url)}
    if url.host:
        attributes["server.address"] = url.host
    if url.port:
        attributes["server.port"] = url.port
    return attributes


def finish(connection: Any, *_rest: Any) -> None:
    span = connection.info.pop("span", None)
    if span is not None:
        span.end()


def fail(context: ExceptionContext) -> None:
    # The error's text is left out: databases quote the values that they refuse.
    span: Span | None = context.connection.info.pop("span", None) if context.connection is not None else None
    if span is not None:
        span.set_attribute("error.type", type(context.original_exception).__name__)
        span.set_status(Status(StatusCode.ERROR))
        span.end()
