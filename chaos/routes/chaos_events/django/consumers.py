"""The effect of an event: a row, and nothing that would keep a second one away."""

import time
from random import random

from app.chassis.events.registry import handles
from app.features.chaos_events.events import Written
from django.db import connection


@handles(Written, together=True)
def follow(event: Written) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_effects (name) VALUES (%s)", [event.name])
    time.sleep(random() * 0.1)
