"""Transactions that publish, and what has come of it."""

from django.db import connection, transaction
from django.http import HttpRequest
from ninja import Query, Router

from app.chassis.errors import Conflict
from app.chassis.events.outbox import publish
from tests.chassis import eventful  # noqa: F401 - where the web process handles what it publishes
from tests.chassis.noted import EFFECTS, TABLE, Asked

router = Router()


@router.put("/events", response={204: None})
def make_table(request: HttpRequest) -> tuple[int, None]:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    return 204, None


@router.post("/events/{name}", response={204: None})
@transaction.atomic
def publish_many(request: HttpRequest, name: str, asked: Query[Asked]) -> tuple[int, None]:
    for event in asked.events(name):
        publish(event, key=name)
    if asked.taken_back:
        raise Conflict("told to")
    return 204, None


@router.get("/events/{name}")
def effects(request: HttpRequest, name: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(EFFECTS.format(name="%(name)s"), {"name": name})
        return [number for (number,) in cursor.fetchall()]
