"""Liveness and readiness: answered before anything else, so that no limit and no failure below is in the way."""

from typing import Any

from app.chassis import lifecycle, metrics, readiness
from app.chassis.exchange import Exchange, Reply
from app.chassis.readiness import Settings as Settings  # noqa: PLC0414 - this part's variables
from app.chassis.settings import load


def enter(exchange: Exchange) -> Any:
    if readiness.draining():
        # A kept-alive connection would bring its next request to a process that is about to leave.
        exchange.reply_headers.append((b"connection", b"close"))
    answer = ANSWERS.get(exchange.path)
    return None if answer is None else answer()


def live() -> Reply:
    """Dead is only what a restart would cure."""
    stalled = lifecycle.stalled_seconds()
    if stalled:
        return readiness.as_json(503, {"status": "stalled", "seconds": round(stalled, 1)})
    return readiness.as_json(200, {"status": "alive"})


def scrape() -> Reply | None:
    """On the public port only where there is no other: figures are not everybody's."""
    if load(Settings).management_port is not None:
        return None
    return Reply(200, metrics.exposition(), metrics.CONTENT_TYPE)


ANSWERS = {"/livez": live, "/readyz": lifecycle.ready, "/metrics": scrape}
