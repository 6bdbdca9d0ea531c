"""The effect of a job: a row, and nothing that would keep a second one away."""

import time
from random import random

from app.chassis.jobs import job
from django.db import connection


# What is killed again and again still has to end.
@job(retries=100, backoff=0.01)
def follow(*, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_effects (name) VALUES (%s)", [name])
    time.sleep(random() * 0.4)
