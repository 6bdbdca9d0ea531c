"""A client span for every statement of a sampled request: the statement, never its values."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper
from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer

from app.chassis import dialect


@contextmanager
def statement(sql: str, connection: BaseDatabaseWrapper) -> Iterator[None]:
    where = describe(connection)
    operation = sql.split(None, 1)[0].upper()
    span = get_tracer("app.database").start_span(
        f"{operation} {where['db.namespace']}",
        kind=SpanKind.CLIENT,
        attributes={**where, "db.operation.name": operation, "db.query.text": sql},
    )
    try:
        yield
    except Exception as error:
        # The error's text is left out: databases quote the values that they refuse.
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def describe(connection: BaseDatabaseWrapper) -> dict[str, str | int]:
    """What is the same for every statement, by OpenTelemetry's semantic conventions."""
    settings = connection.settings_dict
    attributes: dict[str, str | int] = {
        "db.system.name": dialect.SYSTEM,
        "db.namespace": str(settings["NAME"]).rpartition("/")[2],
    }
    if settings["HOST"]:
        attributes["server.address"] = settings["HOST"]
    if settings["PORT"]:
        attributes["server.port"] = int(settings["PORT"])
    return attributes
