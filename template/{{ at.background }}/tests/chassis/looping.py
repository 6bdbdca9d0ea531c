"""A part with a loop, and `python -m tests.chassis.looping`: the process that runs it."""

import asyncio
import sys
from pathlib import Path

import structlog

from app.chassis import work
from app.chassis.background import Loop, start
from app.chassis.parts import PARTS

CARRIER = {"x-request-id": "who-asked", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def background() -> dict[str, Loop]:
    return {"looping": tick}


async def tick(stop: asyncio.Event) -> None:
    while not stop.is_set():
        with work.unit("tick", "looping", CARRIER):
            await asyncio.sleep(0.02)
        fail()
    await asyncio.sleep(0.1)
    structlog.get_logger().info("looping.finished")


def fail() -> None:
    if Path("fail").exists():
        raise RuntimeError("told to")


if __name__ == "__main__":
    start(["looping"], (*PARTS, sys.modules[__name__]))
