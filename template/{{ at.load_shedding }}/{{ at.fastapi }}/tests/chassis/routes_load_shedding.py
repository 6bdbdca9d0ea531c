"""Routes that can be too much for the service: each keeps a connection for a while."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.database import session
from app.chassis.routes import Criticality, declare

SECONDS = 0.05
Session = Annotated[AsyncSession, Depends(session, scope="function")]
router = APIRouter()


async def hold(database: Session) -> None:
    await database.execute(text("SELECT 1"))
    await asyncio.sleep(SECONDS)


@router.get("/plain")
@declare(criticality=Criticality.SHEDDABLE)
async def plain(database: Session) -> None:
    await hold(database)


@router.get("/critical")
@declare(criticality=Criticality.CRITICAL_PLUS)
async def critical(database: Session) -> None:
    await hold(database)
