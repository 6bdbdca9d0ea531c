"""Writes that an event follows: by the outbox, and as one would publish without one."""

import asyncio
import time
from datetime import UTC, datetime
from random import random

from app.chassis.events import connect
from app.chassis.events.broker import Outgoing
from app.chassis.events.envelope import numbered
from app.chassis.events.outbox import publish
from app.chassis.events.publishing import composed
from app.features.chaos_events.events import Written
from django.db import connection, transaction
from django.http import HttpRequest
from ninja import Router

router = Router()
# Between what is done in the database and what is done at the broker: so long that somebody is killed in it.
WINDOW_SECONDS = 0.5


@router.post("/outbox/{name}", response={204: None})
@transaction.atomic
def outbox(request: HttpRequest, name: str) -> tuple[int, None]:
    write(name)
    publish(Written(name=name), key=name[:2])
    return 204, None


@router.post("/after/{name}", response={204: None})
def publish_after_commit(request: HttpRequest, name: str) -> tuple[int, None]:
    with transaction.atomic():
        write(name)
    time.sleep(random() * WINDOW_SECONDS)
    asyncio.run(send(name))
    return 204, None


@router.post("/before/{name}", response={204: None})
def publish_before_commit(request: HttpRequest, name: str) -> tuple[int, None]:
    with transaction.atomic():
        write(name)
        asyncio.run(send(name))
        time.sleep(random() * WINDOW_SECONDS)
    return 204, None


def write(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_writes (name) VALUES (%s)", [name])


async def send(name: str) -> None:
    row = composed(Written(name=name), key=name[:2], now=datetime.now(UTC))
    async with connect() as broker:
        await broker.publish(Outgoing(row["message_id"], row["type"], row["key"], numbered(row["body"], 1)))
