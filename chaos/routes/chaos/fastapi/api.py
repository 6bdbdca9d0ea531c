"""Routes to overload: one that waits for the database, one that computes, both critical and ordinary; and one to cache."""

from pathlib import Path
from time import thread_time
from typing import Annotated

from app.chassis.cache import cached
from app.chassis.database import session
from app.chassis.routes import Criticality, declare
from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

router = APIRouter(prefix="/chaos")
Session = Annotated[AsyncSession, Depends(session, scope="function")]
critical = declare(criticality=Criticality.CRITICAL_PLUS)


@router.get("/wait")
async def wait(database: Session, seconds: float = 0.1) -> dict[str, float]:
    await database.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
    return {"waited": seconds}


@router.get("/wait/critical")
@critical
async def wait_critical(database: Session, seconds: float = 0.1) -> dict[str, float]:
    return await wait(database, seconds)


@router.get("/compute")
async def compute() -> dict[str, bool]:
    until = thread_time() + CPU_SECONDS
    while thread_time() < until:
        pass
    return {"computed": True}


@router.get("/compute/critical")
@critical
async def compute_critical() -> dict[str, bool]:
    return await compute()


@cached("chaos", ttl=3600, shared=True)
async def made(database: AsyncSession, *, key: str, seconds: float) -> dict[str, str]:
    """What takes so long to make; each time is a line in a file."""
    with Path("made").open("a") as lines:
        lines.write(f"{key}\n")
    await database.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
    return {"key": key}


@router.get("/made")
async def get_made(key: str, seconds: float) -> dict[str, str]:
    return await made(key=key, seconds=seconds)
