"""Looks at how long each statement takes."""

from time import perf_counter
from typing import Any

from app.chassis import slow_queries
from app.chassis.statements import Execute


class Slow:
    """An execute wrapper that reports what takes longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
        began = perf_counter()
        try:
            result = execute(sql, params, many, context)
        except Exception as error:
            self.look(sql, perf_counter() - began, error=error)
            raise
        took = perf_counter() - began
        if took > self.seconds:
            slow_queries.report(str(sql), took, rows=context["cursor"].rowcount)
        return result

    def look(self, sql: str, took: float, *, error: Exception) -> None:
        if took > self.seconds:
            slow_queries.report(str(sql), took, error=error)
