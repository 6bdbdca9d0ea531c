"""Publishing: a row in the caller's transaction, and nothing else until that is committed."""

from datetime import UTC, datetime

from django.db import connection
from pydantic import BaseModel

from app.chassis.events.models import Outgoing
from app.chassis.events.publishing import composed


def publish(event: BaseModel, *, key: str) -> str:
    """The id of the event, told to others once the transaction is committed; those of one `key` in their order.

    Raises RuntimeError outside of a transaction, TypeError for what is no event, ValueError for one that is too large.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an event is published in the transaction that it tells of: use transaction.atomic")
    row = Outgoing.objects.create(**composed(event, key=key, now=datetime.now(UTC)))
    return row.message_id
