"""Routes that take their time."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import deadlines, exchange
from app.chassis.database import session
from app.chassis.routes import declare
from tests.chassis.never_ending import NEVER_ENDING, RUNNING

router = APIRouter()
Session = Annotated[AsyncSession, Depends(session, scope="function")]


@router.get("/statement")
async def statement(database: Session) -> None:
    await database.execute(text(NEVER_ENDING))


@router.get("/statements")
async def statements(database: Session) -> int:
    return int(await database.scalar(text(RUNNING)) or 0)


@router.get("/steps")
def steps() -> None:
    for _ in range(200):
        time.sleep(0.05)
        deadlines.checkpoint()


@router.get("/brief")
@declare(seconds=0.2)
async def brief(seconds: float) -> float | None:
    await asyncio.sleep(seconds)
    return exchange.remaining()


@router.get("/remaining/{anything}")
@declare(seconds=7)
async def remaining(anything: str) -> float | None:
    return exchange.remaining()


@router.get("/left")
async def left() -> float | None:
    return exchange.remaining()


@router.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for _ in range(2):
            await asyncio.sleep(0.5)
            yield f"{exchange.remaining()} "

    return StreamingResponse(pieces())
