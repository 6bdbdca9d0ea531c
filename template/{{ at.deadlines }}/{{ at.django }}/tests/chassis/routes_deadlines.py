"""Routes that take their time."""

import time
from collections.abc import Iterator

from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router

from app.chassis import deadlines, exchange
from app.chassis.routes import declare
from tests.chassis.never_ending import NEVER_ENDING, RUNNING

router = Router()


@router.get("/statement")
def statement(request: HttpRequest) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NEVER_ENDING)


@router.get("/statements")
def statements(request: HttpRequest) -> int:
    with connection.cursor() as cursor:
        cursor.execute(RUNNING)
        return int(cursor.fetchone()[0])


@router.get("/steps")
def steps(request: HttpRequest) -> None:
    for _ in range(200):
        time.sleep(0.05)
        deadlines.checkpoint()


@router.get("/brief")
@declare(seconds=0.2)
def brief(request: HttpRequest, seconds: float) -> float | None:
    time.sleep(seconds)
    deadlines.checkpoint()
    return exchange.remaining()


@router.get("/remaining/{anything}")
@declare(seconds=7)
def remaining(request: HttpRequest, anything: str) -> float | None:
    return exchange.remaining()


@router.get("/left")
def left(request: HttpRequest) -> float | None:
    return exchange.remaining()


@router.get("/stream")
def stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        for _ in range(2):
            time.sleep(0.5)
            yield f"{exchange.remaining()} "

    return StreamingHttpResponse(pieces())
