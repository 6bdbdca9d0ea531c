"""Looks at how long each statement of an engine takes."""

from time import perf_counter
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from app.chassis import slow_queries


def watch(engine: Engine, *, seconds: float) -> None:
    """Report what takes longer than that; before other listeners, so that what they wait for counts, too."""

    def begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        context.began = perf_counter()

    def end(_connection: Any, cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        took = perf_counter() - context.began
        if took > seconds:
            slow_queries.report(statement, took, rows=cursor.rowcount)

    def fail(failure: ExceptionContext) -> None:
        began = getattr(failure.execution_context, "began", None)
        if began is not None and failure.statement is not None:
            took = perf_counter() - began
            if took > seconds:
                slow_queries.report(failure.statement, took, error=failure.original_exception)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail, insert=True)
