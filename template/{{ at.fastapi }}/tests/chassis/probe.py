"""The service with routes that only its conformance tests need: `python -m tests.chassis.probe`."""

import asyncio
import itertools
import logging
import os
import signal
import sys
import threading
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import lifecycle, tracing
from app.chassis.database import session
from app.chassis.edge import Edge
from app.chassis.errors import Conflict
from app.chassis.framework import every_route
from app.chassis.parts import PARTS
from app.chassis.routes import declare
from app.chassis.server import run
from tests.chassis import discovered
from tests.chassis.told import stand_still, told

Session = Annotated[AsyncSession, Depends(session, scope="function")]
documented = APIRouter()
router = APIRouter(prefix="/probe", include_in_schema=False)
log = structlog.get_logger()
calls = itertools.count(1)
# Tests have no five seconds to wait for a loop that stands still.
lifecycle.STALLED_SECONDS = 1.0


class Echo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=1000)]


@documented.get("/ok")
async def ok() -> dict[str, bool]:
    return {"ok": True}


@documented.get("/items/{item_id}")
async def item(item_id: int) -> dict[str, int]:
    return {"item_id": item_id}


@documented.get("/echo")
async def echo_nothing() -> Echo:
    return Echo(text="")


@documented.post("/echo")
async def echo(body: Echo) -> Echo:
    return body


@router.post("/calls", status_code=201)
@declare(idempotent=True)
async def call(response: Response, body: Echo, seconds: float = 0, fails: str = "") -> dict[str, Any]:
    """One more, unless it fails."""
    await asyncio.sleep(seconds)
    number = next(calls)
    response.headers["Location"] = f"/probe/calls/{number}"
    response.set_cookie("seen", "yes")
    if fails == "raises":
        raise Conflict("as a problem")
    if fails == "breaks":
        raise RuntimeError("as an error")
    if fails == "answers":
        response.status_code = 418
    return {"call": number, "text": body.text}


@router.put("/effects", status_code=204)
async def make_effects(database: Session) -> None:
    await database.execute(text("CREATE TABLE probe_effects (name VARCHAR(64))"))


@router.get("/effects")
async def effects(database: Session) -> list[str]:
    return list(await database.scalars(text("SELECT name FROM probe_effects")))


@router.post("/effects", status_code=201)
@declare(idempotent=True)
async def effect(database: Session, body: Echo, response: Response, status: int = 201) -> Echo:
    response.status_code = status
    await database.execute(text("INSERT INTO probe_effects (name) VALUES (:name)"), {"name": body.text})
    return body


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError("SELECT secret FROM /etc/passwd")


@router.get("/fail")
async def fail_with(message: str) -> None:
    raise RuntimeError(message)


@router.get("/sleep")
async def sleep(seconds: float) -> dict[str, float]:
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@router.get("/block")
async def block(until: str) -> dict[str, str]:
    # The whole event loop is meant to stand still.
    stand_still(until)
    return {"blocked": until}


@router.get("/log")
async def log_message(message: str, logger: str = "") -> dict[str, bool]:
    if logger:
        logging.getLogger(logger).warning(message)
    else:
        log.info(message)
    return {"logged": True}


@router.get("/imported")
async def imported(module: str) -> dict[str, bool]:
    return {"imported": module in sys.modules}


@router.get("/sql")
async def sql(database: Session) -> dict[str, Any]:
    return {"one": await database.scalar(text("SELECT 1"))}


@router.get("/outgoing")
async def outgoing() -> dict[str, str]:
    return tracing.outgoing()


@router.get("/crash")
async def crash() -> None:
    log.info("probe.last_words")
    threading.Thread(target=fail_and_die).start()


def fail_and_die() -> None:
    failing = threading.Thread(target=fail, name="failing")
    failing.start()
    failing.join()
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise RuntimeError("nobody catches this")


def load() -> FastAPI:
    from app.main import create_app  # noqa: PLC0415 - as app.asgi does it

    app = create_app()
    app.include_router(documented, prefix="/probe")
    app.include_router(router)
    for more in discovered.routers():
        app.include_router(more, prefix="/probe", include_in_schema=False)
    discovered.opened(every_route(app))
    return app


async def check() -> None:
    await asyncio.sleep(told())


application = Edge(load, (*PARTS, sys.modules[__name__]))

if __name__ == "__main__":
    run("tests.chassis.probe:application")
