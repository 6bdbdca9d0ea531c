"""Statements that took long: a line each, with the ids of the request that waited, and a counter of all."""

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from prometheus_client import Metric

LINES_PER_SECOND: Final = 10
MOST_CHARACTERS: Final = 4000
log = structlog.get_logger()

_lock = threading.Lock()
_seen = 0
_second = 0
_lines = 0
_left_out = 0


def report(statement: str, seconds: float, *, rows: int = -1, error: BaseException | None = None) -> None:
    """Count it, and say so unless others have said enough this second. The values are not part of the statement."""
    left_out = _let_through(int(monotonic()))
    if left_out is None:
        return
    fields: dict[str, object] = {"statement": _shown(statement), "seconds": round(seconds, 6)}
    # Drivers say -1 when they do not know.
    if rows >= 0 and error is None:
        fields["rows"] = rows
    if error is not None:
        # Its text is left out: databases quote the values that they refuse.
        fields["error"] = type(error).__name__
    if left_out:
        fields["left_out"] = left_out
    log.warning("database.slow_query", **fields)


def _let_through(now: int) -> int | None:
    """How many lines were left out since the last one; None to leave this one out, too."""
    global _seen, _second, _lines, _left_out
    with _lock:
        _seen += 1
        if now != _second:
            _second, _lines = now, 0
        if _lines >= LINES_PER_SECOND:
            _left_out += 1
            return None
        _lines += 1
        left_out, _left_out = _left_out, 0
        return left_out


def _shown(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


def counted() -> "Metric":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    return CounterMetricFamily("db_client_slow_queries", "Statements that took longer than DATABASE_SLOW_QUERY.", _seen)
