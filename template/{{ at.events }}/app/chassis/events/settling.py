"""For tests: what a row of the outbox means to the handlers, without a broker in between."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from app.chassis.events import registry
from app.chassis.events.envelope import parse
from app.chassis.events.rows import Waiting, inbox_id


def settled(row: Waiting) -> Iterator[tuple[str, Any, BaseModel]]:
    """Whom to call with what, and what the inbox knows it by; a handler that fails fails the test."""
    envelope = parse(row.body)
    for handler in registry.handlers(envelope.type):
        payload = registry.read(handler.event, envelope.version, envelope.data)
        yield inbox_id(envelope, handler.name), handler.call, payload
