"""Where a request is measured, once: its ids, server span, log line and metrics."""

import re
from time import perf_counter

from app.chassis import logging, metrics, tracing
from app.chassis.exchange import Exchange

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._=+/-]{1,128}")


def enter(exchange: Exchange) -> None:
    tracing.begin(exchange)
    given = exchange.header("x-request-id")
    if given is not None and _ACCEPTABLE_ID.fullmatch(given):
        exchange.request_id = given
    else:
        exchange.request_id = f"{exchange.trace_id:032x}"
    exchange.reply_headers.append((b"x-request-id", exchange.request_id.encode()))
    metrics.in_flight.add(exchange)


def leave(exchange: Exchange) -> None:
    # Only what must happen now: counting and wording wait for a batch, where they cost half.
    exchange.seconds = perf_counter() - exchange.started
    if exchange.error is not None:
        logging.error_line(exchange.error)
    if exchange.span is not None:
        tracing.end(exchange)
    metrics.finished(exchange)
    logging.request_line(exchange)
