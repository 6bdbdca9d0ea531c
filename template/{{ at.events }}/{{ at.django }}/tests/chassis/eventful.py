"""What a service does with the event of these tests."""

import time
from typing import Any

from django.db import connection, transaction

from app.chassis.events.registry import handles, upcast
from tests.chassis.noted import EFFECT, Noted, suffer


@handles(Noted)
def note(event: Noted) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EFFECT.format(name="%(name)s", number="%(number)s", place="%(place)s"), event.effect())
    suffer(event)
    if event.trouble == "take back":
        transaction.set_rollback(True)
    time.sleep(event.seconds)


@upcast(Noted, from_version=1)
def rename(data: dict[str, Any]) -> dict[str, Any]:
    return {"name": data["title"], "number": data["number"]}
