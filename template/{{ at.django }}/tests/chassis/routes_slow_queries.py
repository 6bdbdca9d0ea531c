"""Routes whose statements take long, or are many."""

from typing import Any

from django.db import connection
from django.http import HttpRequest
from ninja import Router

from tests.chassis.slow_statement import FOR_EVER, LENGTH, SLOW

router = Router()


@router.get("/slow")
def slow(request: HttpRequest, secret: str) -> None:
    run(secret, LENGTH)


@router.get("/slowest")
def slowest(request: HttpRequest, secret: str) -> None:
    run(secret, FOR_EVER)


@router.get("/many")
def many(request: HttpRequest, number: int) -> None:
    with connection.cursor() as cursor:
        for _ in range(number):
            cursor.execute("SELECT 1")


def run(secret: str, length: float) -> None:
    values: list[Any] = [length, secret]
    with connection.cursor() as cursor:
        cursor.execute(SLOW.format(length="%s", secret="%s"), values)
