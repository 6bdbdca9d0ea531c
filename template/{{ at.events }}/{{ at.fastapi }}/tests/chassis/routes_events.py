"""Transactions that publish, and what has come of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.errors import Conflict
from app.chassis.events.outbox import publish
from tests.chassis import eventful  # noqa: F401 - where the web process handles what it publishes
from tests.chassis.noted import EFFECTS, TABLE, Asked

router = APIRouter(prefix="/events")
Session = Annotated[AsyncSession, Depends(database.session, scope="function")]


@router.put("", status_code=204)
async def make_table(session: Session) -> None:
    await session.execute(text(TABLE))


@router.post("/{name}", status_code=204)
async def publish_many(session: Session, name: str, asked: Annotated[Asked, Query()]) -> None:
    for event in asked.events(name):
        await publish(session, event, key=name)
    if asked.taken_back:
        raise Conflict("told to")


@router.get("/{name}")
async def effects(session: Session, name: str) -> list[int]:
    return list((await session.execute(text(EFFECTS.format(name=":name")), {"name": name})).scalars())
