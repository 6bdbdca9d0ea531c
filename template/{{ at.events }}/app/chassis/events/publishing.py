"""What a published event is in the outbox: its envelope, whole, so that the relay has nothing to work out."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from app.chassis import work
from app.chassis.events import registry
from app.chassis.events.envelope import SOURCE, Envelope, compose, stamp
from app.chassis.events.rows import partition
from app.chassis.events.variables import Settings
from app.chassis.settings import load

LONGEST_KEY: Final = 255


def composed(event: BaseModel, *, key: str, now: datetime) -> dict[str, Any]:
    """The columns of its row. Raises TypeError for what is no event, ValueError for one that no broker should carry."""
    known = registry.of(type(event))
    if not known.sent:
        raise TypeError(f"{known.name} is another service's: sent=False says so")
    if not 0 < len(key) <= LONGEST_KEY or "\0" in key:
        raise ValueError(f"the key of an event is a text of 1 to {LONGEST_KEY} characters, such as the order's id")
    message_id, data = str(uuid7()), event.model_dump(mode="json")
    body = compose(
        Envelope(
            id=message_id,
            source=SOURCE,
            type=known.name,
            version=known.version,
            key=key,
            time=stamp(now),
            data=data,
            carrier=work.carrier(),
        )
    )
    limit = load(Settings).events_limit
    if len(body) > limit:
        raise ValueError(
            f"this {known.name} has {len(body)} bytes and EVENTS_LIMIT is {limit}:"
            " let it name where the rest is instead of carrying it, or raise the limit here and at the broker"
        )
    return {
        "message_id": message_id,
        "partition_id": partition(key),
        "key": key,
        "type": known.name,
        "body": body,
        "created_at": now,
    }
