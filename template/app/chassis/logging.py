"""Log lines: one shape for structlog and the standard library, redacted, written in batches."""

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import util as process
from typing import Any, Final, Literal

import orjson
import structlog
from pydantic import Field

from app.chassis.exchange import Exchange, current
from app.chassis.settings import BaseSettings, load

BATCH = 128
FLUSH_SECONDS = 0.1

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Event = dict[str, Any]


class Settings(BaseSettings):
    log_level: Level = Field("INFO", description="Least severe level that is written.", examples=["INFO"])
    log_format: Literal["json", "console"] | None = Field(
        None, description="json, or console for people; by default console in development.", examples=["json"]
    )


@contextmanager
def resources() -> Iterator[None]:
    """From here on lines wait up to a tenth of a second for company, until the process ends."""
    global _buffered
    _buffered = _render is render_json
    flusher = threading.Thread(target=_flush_soon, name="log-flusher", daemon=True)
    flusher.start()
    try:
        yield
    finally:
        unbuffer()


def unbuffer() -> None:
    """From here on every line is written at once: the process may be killed."""
    global _buffered
    _buffered = False
    flush()


def configure() -> None:
    """Take over structlog and the standard library's loggers; the first thing a process does."""
    global _render, _level
    settings = load(Settings)
    console = settings.log_format == "console" or (
        settings.log_format is None and settings.environment == "development"
    )
    _render = render_console if console else render_json
    _level = level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[_sink],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level, handlers=[Handler()], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed
    # A forked worker ends without running `atexit`: multiprocessing's own finalizers are what it runs.
    process.Finalize(None, flush, exitpriority=1)


# -- where lines come from ---------------------------------------------------------------------------------------------


def request_line(exchange: Exchange) -> None:
    """One line for one request, put into words only when it is written."""
    if _level <= logging.INFO or exchange.status >= 500:
        # Its values and not the exchange, which would keep the request's body and the error's frames until then.
        _enqueue(
            (
                exchange.started,
                exchange.seconds,
                exchange.method,
                exchange.route,
                exchange.path,
                exchange.status,
                exchange.client,
                exchange.request_id,
                exchange.trace_id,
                exchange.span_id,
            )
        )


def error_line(error: BaseException) -> None:
    """What the client was told nothing about."""
    structlog.get_logger().error("http.error", exc_info=error)


class Handler(logging.Handler):
    """The standard library's loggers, child loggers included, in the same shape."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Event = {"timestamp": stamp(record.created), "level": record.levelname.lower()}
        try:
            event["event"] = record.getMessage()
        except Exception:  # noqa: BLE001 - a wrong format string must not lose the line
            event["event"] = f"{record.msg} {record.args!r}"
        event["logger"] = record.name
        event |= _apart({key: value for key, value in record.__dict__.items() if key not in _RECORD})
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = _describe(record.exc_info[1])
        _finish(event, record.levelno)


def _sink(_logger: Any, method: str, fields: Mapping[str, Any]) -> Any:
    event: Event = {
        "timestamp": stamp(time.time()),
        "level": _METHODS.get(method, method),
        "event": fields.get("event"),
    }
    event |= _apart({key: value for key, value in fields.items() if key not in {"event", "exc_info"}})
    error = fields.get("exc_info")
    error = sys.exc_info()[1] if error is True else error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        event["exception"] = _describe(error)
    _finish(event, logging.getLevelNamesMapping().get(event["level"].upper(), logging.INFO))
    raise structlog.DropEvent


_METHODS = {"exception": "error", "warn": "warning", "fatal": "critical", "msg": "info"}
_OURS = {"timestamp", "level", "logger", "exception"}


def _apart(fields: Event) -> Event:
    """The caller's fields; one that has the name of ours is told apart, for it must not take its place."""
    return {f"{key}_" if key in _OURS else key: value for key, value in fields.items()}


def _finish(event: Event, level: int) -> None:
    exchange = current.get()
    if exchange is not None:
        event |= ids(exchange)
    try:
        event = redact(event)
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown is no reason to fail a request
        event = {key: str(event[key]) for key in ("timestamp", "level")} | {"event": f"unprintable: {error!r:.200}"}
    _enqueue(event)
    # What explains a crash must be out before the crash.
    if level >= logging.ERROR:
        flush()


def ids(exchange: Exchange) -> dict[str, str]:
    return {
        "request_id": exchange.request_id,
        "trace_id": f"{exchange.trace_id:032x}",
        "span_id": f"{exchange.span_id:016x}",
    }


def _crashed(kind: type[BaseException], error: BaseException, _traceback: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger().critical("process.crashed", exc_info=error)
    flush()


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error("thread.crashed", thread=getattr(args.thread, "name", ""), exc_info=args.exc_value)


# -- what is never written ---------------------------------------------------------------------------------------------

REDACTED: Final = "[redacted]"
_NAMES = (
    r"pass(?:word|wd|phrase)|secret|token|credential|(?:api|access|private|signing|encryption|session)[-_]?key"
    r"|session[-_]?id|(?<![a-z])pwd"
)
_SECRET_KEYS = re.compile(
    rf"{_NAMES}|authori[sz]ation|cookie|(?:^|[-_.])(?:auth|jwt|otp|cvv|dsn)(?:$|[-_.])", re.IGNORECASE
)
# Each alternative starts at a fixed text and what may repeat is bounded or cannot start again inside itself: clients
# choose what is searched, and a search that took the square of its length would stop the service.
_SECRET_VALUES = re.compile(
    r"(?P<url>://[^\s:/@]{0,256}:)[^\s/]{1,512}(?=@)"
    r"|(?P<user>://)[^\s:/@]{20,512}(?=@)"
    r"|(?P<header>\b(?:authorization|cookie|set-cookie)[\"']?\s{0,8}[=:]\s{0,8}[\"']?)[^\r\n\"']+"
    r"|(?P<scheme>\b(?:bearer|basic)\s{1,8})(?=[a-z~+/_-]{0,512}[\d=.])[\w.~+/=-]{8,}"
    rf"|(?P<pair>(?:{_NAMES})[\w-]{{0,32}}[\"']?\s{{0,8}}[=:]\s{{0,8}})"
    r"(?:\"[^\"]*\"|'[^']*'|[\"']?[^\s\"',;&}]+)"
    r"|(?P<jwt>(?<![\w-])eyJ)[\w-]+\.[\w-]+\.[\w-]*",
    re.IGNORECASE,
)


def redact(event: Event) -> Event:
    """Secrets go, by the name of their field and by the look of their value."""
    return {key: REDACTED if _SECRET_KEYS.search(key) else _redact_value(value) for key, value in event.items()}


def _redact_value(value: Any) -> Any:
    match value:
        case str():
            return _SECRET_VALUES.sub(_keep_prefix, value)
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return redact({str(key): item for key, item in value.items()})
        case list() | tuple() | set() | frozenset():
            return [_redact_value(item) for item in value]
        case _:
            return _SECRET_VALUES.sub(_keep_prefix, str(value))


def _keep_prefix(match: re.Match[str]) -> str:
    return (match.group(match.lastgroup or 0) if match.lastgroup else "") + REDACTED


# -- how lines are written ---------------------------------------------------------------------------------------------

Request = tuple[float, float, str, str, str, int, str, str, int, int]
Line = Event | Request
# A deque and not a list that is swapped: an append between the swap's two halves would be lost.
_pending: deque[Line] = deque()
# Re-entrant: a signal handler may flush while the code that it interrupted does.
_writing = threading.RLock()
_wake = threading.Event()
_buffered = False


def _enqueue(line: Line) -> None:
    _pending.append(line)
    if not _buffered or len(_pending) >= BATCH:
        flush()
    elif not _wake.is_set():
        _wake.set()


def flush() -> None:
    """Write what is waiting; lines stay in order. Safe from any thread and at exit."""
    global _wall
    with _writing:
        _wall = time.time() - time.perf_counter()
        lines = []
        while _pending:
            try:
                line = _pending.popleft()
            except IndexError:
                # A signal handler has written them between the question and the answer.
                break
            lines.append(_render(line))
        if lines:
            _write(b"".join(lines))


def _flush_soon() -> None:
    # Sleeps until a line waits, so that an idle service has no timer.
    while _wake.wait():
        time.sleep(FLUSH_SECONDS)
        _wake.clear()
        flush()


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view) :]
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            # Nobody reads any more (a closed pipe): a log line is no reason to fail a request.
            return


def render_json(line: Line) -> bytes:
    event = _request_event(line) if isinstance(line, tuple) else line
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Lone surrogates (undecodable bytes in a path or file name) and integers over 64 bits.
        return json.dumps({str(key): value for key, value in event.items()}, default=str).encode() + b"\n"


def render_console(line: Line) -> bytes:
    event = dict(_request_event(line) if isinstance(line, tuple) else line)
    trace = event.pop("exception", "")
    head = f"{event.pop('timestamp')[11:23]} {event.pop('level'):<8} {_printable(event.pop('event', ''))}"
    fields = " ".join(f"{_printable(key)}={_printable(value)}" for key, value in event.items())
    indented = "".join(f"\n    {_printable(row)}" for row in str(trace).splitlines())
    return f"{head}  {fields}{indented}\n".encode(errors="backslashreplace")


def _printable(value: Any) -> str:
    """No line breaks, no escape sequences: what was logged cannot draw on the terminal or forge a line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(value))


def _request_event(request: Request) -> Event:
    started, seconds, method, route, path, status, client, request_id, trace_id, span_id = request
    return {
        "timestamp": stamp(_wall + started + seconds),
        "level": "info" if status < 500 else "error",
        "event": "http.request",
        "method": method,
        "route": route,
        "path": path,
        "status": status,
        # To the microsecond; rounding to an integer takes half as long as rounding to three places.
        "duration_ms": round(seconds * 1e6) / 1e3,
        "client": client,
        "request_id": request_id,
        "trace_id": trace_id.to_bytes(16).hex(),
        "span_id": span_id.to_bytes(8).hex(),
    }


# What the clock on the wall said when the performance counter was 0; read anew for each batch, as clocks are set.
_wall = 0.0
_second: tuple[int, str] = (0, "")


def stamp(wall: float) -> str:
    """RFC 3339 in UTC with microseconds. The second's text is kept: lines come by the hundred."""
    global _second
    whole = int(wall)
    kept, text = _second
    if whole != kept:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        _second = (whole, text)
    return f"{text}.{int((wall - whole) * 1e6):06d}Z"


def _describe(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


_RECORD = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
_render = render_json
_level = logging.INFO
