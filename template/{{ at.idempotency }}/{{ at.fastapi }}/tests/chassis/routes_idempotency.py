"""Declared idempotent: a view that runs in a thread, and one whose reply streams."""

import itertools
import time
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.chassis.routes import declare
from tests.chassis import wall

router = APIRouter()
calls = itertools.count(1)


@router.post("/threaded", status_code=201)
@declare(idempotent=True)
def threaded(seconds: float = 0) -> dict[str, int]:
    time.sleep(seconds)
    return {"call": next(calls)}


@router.post("/streamed")
@declare(idempotent=True)
async def streamed() -> Any:
    return StreamingResponse(iter((b"one", b"two")))


wall.install()
