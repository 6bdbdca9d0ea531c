"""Routes to overload: one that waits for the database, one that computes, both critical and ordinary; and one to cache."""

from pathlib import Path
from time import thread_time

from app.chassis.cache import cached
from app.chassis.routes import Criticality, declare
from django.db import connection
from django.http import HttpRequest
from ninja import Router

router = Router()
critical = declare(criticality=Criticality.CRITICAL_PLUS)


@router.get("/wait")
def wait(request: HttpRequest, seconds: float = 0.1) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return {"waited": seconds}


@router.get("/wait/critical")
@critical
def wait_critical(request: HttpRequest, seconds: float = 0.1) -> dict[str, float]:
    return wait(request, seconds)


@router.get("/compute")
def compute(request: HttpRequest) -> dict[str, bool]:
    until = thread_time() + CPU_SECONDS
    while thread_time() < until:
        pass
    return {"computed": True}


@router.get("/compute/critical")
@critical
def compute_critical(request: HttpRequest) -> dict[str, bool]:
    return compute(request)


@cached("chaos", ttl=3600, shared=True)
def made(*, key: str, seconds: float) -> dict[str, str]:
    """What takes so long to make; each time is a line in a file."""
    with Path("made").open("a") as lines:
        lines.write(f"{key}\n")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return {"key": key}


@router.get("/made")
def get_made(request: HttpRequest, key: str, seconds: float) -> dict[str, str]:
    return made(key=key, seconds=seconds)
