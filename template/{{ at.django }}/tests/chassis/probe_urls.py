"""The routes of the probe service: those of the service, and a few that misbehave on request."""

import itertools
import logging
import os
import signal
import sys
import threading
import time
from typing import Annotated, Any

import structlog
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from app import urls
from app.chassis import tracing
from app.chassis.errors import Conflict
from app.chassis.framework import create, every_route
from app.chassis.routes import declare
from app.urls import handler400, handler403, handler404, handler500
from tests.chassis import discovered
from tests.chassis.told import stand_still

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

router = Router()
log = structlog.get_logger()
calls = itertools.count(1)


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


@router.post("/calls", response={201: dict[str, Any], 418: dict[str, Any]})
@declare(idempotent=True)
def call(
    request: HttpRequest, response: HttpResponse, body: Echo, seconds: float = 0, fails: str = ""
) -> tuple[int, dict[str, Any]]:
    """One more, unless it fails."""
    time.sleep(seconds)
    number = next(calls)
    response["Location"] = f"/probe/calls/{number}"
    response.set_cookie("seen", "yes")
    if fails == "raises":
        raise Conflict("as a problem")
    if fails == "breaks":
        raise RuntimeError("as an error")
    return 418 if fails == "answers" else 201, {"call": number, "text": body.text}


@router.put("/effects", response={204: None})
def make_effects(request: HttpRequest) -> tuple[int, None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE probe_effects (name VARCHAR(64))")
    return 204, None


@router.get("/effects")
def effects(request: HttpRequest) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM probe_effects")
        return [name for (name,) in cursor.fetchall()]


@router.post("/effects", response={201: Echo, 418: Echo})
@declare(idempotent=True)
def effect(request: HttpRequest, body: Echo, status: int = 201) -> tuple[int, Echo]:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO probe_effects (name) VALUES (%s)", [body.text])
    return status, body


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
def block(request: HttpRequest, until: str) -> dict[str, str]:
    stand_still(until)
    return {"blocked": until}


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
for more in discovered.routers():
    api.add_router("/probe", more)

urlpatterns = [path("", api.urls), *urls.urlpatterns]
discovered.opened(every_route("", urlpatterns))
