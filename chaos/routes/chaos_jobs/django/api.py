"""Writes that a job follows: in their transaction, and as one would enqueue without one."""

import time
from random import random

from app.chassis.jobs.queue import enqueue
from app.features.chaos_jobs import jobs
from django.db import connection, transaction
from django.http import HttpRequest
from ninja import Router

router = Router()
# Between the two transactions, where there are two: so long that somebody is killed in it.
WINDOW_SECONDS = 0.5


@router.post("/within/{name}", response={204: None})
@transaction.atomic
def within(request: HttpRequest, name: str) -> tuple[int, None]:
    write(name)
    enqueue(jobs.follow, name=name)
    return 204, None


@router.post("/after/{name}", response={204: None})
def enqueue_after_commit(request: HttpRequest, name: str) -> tuple[int, None]:
    with transaction.atomic():
        write(name)
    time.sleep(random() * WINDOW_SECONDS)
    with transaction.atomic():
        enqueue(jobs.follow, name=name)
    return 204, None


@router.post("/before/{name}", response={204: None})
def enqueue_before_commit(request: HttpRequest, name: str) -> tuple[int, None]:
    with transaction.atomic():
        enqueue(jobs.follow, name=name)
    time.sleep(random() * WINDOW_SECONDS)
    with transaction.atomic():
        write(name)
    return 204, None


def write(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_writes (name) VALUES (%s)", [name])
