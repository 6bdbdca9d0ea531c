"""The routes of the probe service: those of the service, and a few that misbehave on request."""

import logging
import os
import signal
import sys
import threading
import time
from typing import Annotated, Any

import structlog
from django.db import connection
from django.http import HttpRequest
from django.urls import path
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from app import urls
from app.chassis import tracing
from app.chassis.framework import create
from app.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

router = Router()
log = structlog.get_logger()


class Echo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=1000)]


@router.get("/ok")
def ok(request: HttpRequest) -> dict[str, bool]:
    return {"ok": True}


@router.get("/items/{item_id}")
def item(request: HttpRequest, item_id: int) -> dict[str, int]:
    return {"item_id": item_id}


@router.get("/echo", response=Echo)
def echo_nothing(request: HttpRequest) -> Echo:
    return Echo(text="")


@router.post("/echo", response=Echo)
def echo(request: HttpRequest, body: Echo) -> Echo:
    return body


@router.get("/boom")
def boom(request: HttpRequest) -> None:
    raise RuntimeError("SELECT secret FROM /etc/passwd")


@router.get("/fail")
def fail_with(request: HttpRequest, message: str) -> None:
    raise RuntimeError(message)


@router.get("/sleep")
def sleep(request: HttpRequest, seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {"slept": seconds}


@router.get("/block")
def block(request: HttpRequest, seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {"blocked": seconds}


@router.get("/log")
def log_message(request: HttpRequest, message: str, logger: str = "") -> dict[str, bool]:
    if logger:
        logging.getLogger(logger).warning(message)
    else:
        log.info(message)
    return {"logged": True}


@router.get("/imported")
def imported(request: HttpRequest, module: str) -> dict[str, bool]:
    return {"imported": module in sys.modules}


@router.get("/sql")
def sql(request: HttpRequest) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        (one,) = cursor.fetchone()
    return {"one": one}


@router.get("/outgoing")
def outgoing(request: HttpRequest) -> dict[str, str]:
    return tracing.outgoing()


@router.get("/crash")
def crash(request: HttpRequest) -> None:
    log.info("probe.last_words")
    threading.Thread(target=fail_and_die).start()


def fail_and_die() -> None:
    failing = threading.Thread(target=fail, name="failing")
    failing.start()
    failing.join()
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise RuntimeError("nobody catches this")


api = create(urls_namespace="probe", openapi_url=None)
api.add_router("/probe", router)

urlpatterns = [path("", api.urls), *urls.urlpatterns]
