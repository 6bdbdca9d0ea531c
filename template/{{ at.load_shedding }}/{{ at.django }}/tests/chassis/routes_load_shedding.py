"""Routes that can be too much for the service: each keeps a thread, and its connection, for a while."""

import time

from django.db import connection
from django.http import HttpRequest
from ninja import Router

from app.chassis.routes import Criticality, declare

SECONDS = 0.05
router = Router()


def hold() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    time.sleep(SECONDS)


@router.get("/plain")
@declare(criticality=Criticality.SHEDDABLE)
def plain(request: HttpRequest) -> None:
    hold()


@router.get("/critical")
@declare(criticality=Criticality.CRITICAL_PLUS)
def critical(request: HttpRequest) -> None:
    hold()
