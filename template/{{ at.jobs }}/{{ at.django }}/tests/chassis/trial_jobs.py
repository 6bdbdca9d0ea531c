"""Jobs that do, or fail to do, what the tests want."""

import os
import signal
import time

from django.db import connection

from app.chassis.jobs import GiveUp, job
from app.chassis.jobs.queue import progress


def leave(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO probe_notes (name) VALUES (%s)", [name])


@job()
def note(*, name: str) -> dict[str, str]:
    leave(name)
    return {"noted": name}


@job(backoff=0.1)
def slow(*, name: str, seconds: float) -> None:
    """The effect first: whatever ends it takes that back. SQLite has one writer, and others have to write meanwhile."""
    early = connection.vendor != "sqlite"
    if early:
        leave(name)
    for step in range(100):
        progress(step, 100)
        time.sleep(seconds / 100)
    if not early:
        leave(name)


@job(timeout=120)
def silent(*, name: str, seconds: float) -> None:
    """It never says how far it is. The effect last, as SQLite has one writer."""
    time.sleep(seconds)
    leave(name)


@job(retries=2, backoff=0.05)
def failing(*, name: str) -> None:
    leave(name)
    raise RuntimeError("password=hunter2 was refused")


@job()
def hopeless() -> None:
    raise GiveUp("never")


@job(retries=1, backoff=0.05, timeout=0.3)
def late(*, name: str) -> None:
    leave(name)
    time.sleep(1)


@job(retries=1, backoff=0.05)
def deadly() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@job(unique="{key}")
def single(*, key: str) -> None:
    leave(key)


@job(name="trial.changed")
def changed(*, renamed: str) -> None:
    leave(renamed)
