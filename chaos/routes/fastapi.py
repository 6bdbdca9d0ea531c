"""Routes to overload: one that waits for the database, one that computes, each in a critical and an ordinary form."""

from time import thread_time
from typing import Annotated

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
