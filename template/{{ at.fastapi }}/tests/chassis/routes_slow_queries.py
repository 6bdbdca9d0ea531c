"""Routes whose statements take long, or are many."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.database import session
from tests.chassis.slow_statement import FOR_EVER, LENGTH, SLOW

router = APIRouter()
Session = Annotated[AsyncSession, Depends(session, scope="function")]


@router.get("/slow")
async def slow(database: Session, secret: str) -> None:
    await run(database, secret, LENGTH)


@router.get("/slowest")
async def slowest(database: Session, secret: str) -> None:
    await run(database, secret, FOR_EVER)


@router.get("/many")
async def many(database: Session, number: int) -> None:
    for _ in range(number):
        await database.execute(text("SELECT 1"))


async def run(database: AsyncSession, secret: str, length: float) -> None:
    statement = text(SLOW.format(length=":length", secret=":secret"))
    await database.execute(statement, {"length": length, "secret": secret})
