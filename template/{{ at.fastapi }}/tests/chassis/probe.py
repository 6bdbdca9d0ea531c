"""The service with routes that only its conformance tests need: `python -m tests.chassis.probe`."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import lifecycle, tracing
from app.chassis.database import session
from app.chassis.edge import Edge
from app.chassis.parts import PARTS
from app.chassis.server import run
from tests.chassis.told import told

Session = Annotated[AsyncSession, Depends(session, scope="function")]
documented = APIRouter()
router = APIRouter(prefix="/probe", include_in_schema=False)
log = structlog.get_logger()
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
async def block(seconds: float) -> dict[str, float]:
    time.sleep(seconds)  # noqa: ASYNC251 - the whole event loop is meant to stand still
    return {"blocked": seconds}


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
    return app


async def check() -> None:
    await asyncio.sleep(told())


application = Edge(load, (*PARTS, sys.modules[__name__]))

if __name__ == "__main__":
    run("tests.chassis.probe:application")
