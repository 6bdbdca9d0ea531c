"""Writes that an event follows: by the outbox, and as one would publish without one."""

import asyncio
from datetime import UTC, datetime
from random import random
from typing import Annotated

from app.chassis.database import session
from app.chassis.events import connect
from app.chassis.events.broker import Outgoing
from app.chassis.events.envelope import numbered
from app.chassis.events.outbox import publish
from app.chassis.events.publishing import composed
from app.chassis.transactions import in_transaction
from app.features.chaos_events.events import Written
from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

router = APIRouter(prefix="/chaos/events")
Session = Annotated[AsyncSession, Depends(session, scope="function")]
# Between what is done in the database and what is done at the broker: so long that somebody is killed in it.
WINDOW_SECONDS = 0.5


@router.post("/outbox/{name}", status_code=204)
async def outbox(session: Session, name: str) -> None:
    await write(session, name)
    await publish(session, Written(name=name), key=name[:2])


@router.post("/after/{name}", status_code=204)
async def publish_after_commit(name: str) -> None:
    await in_transaction(write, name)
    await asyncio.sleep(random() * WINDOW_SECONDS)
    await send(name)


@router.post("/before/{name}", status_code=204)
async def publish_before_commit(name: str) -> None:
    async def both(session: AsyncSession) -> None:
        await write(session, name)
        await send(name)
        await asyncio.sleep(random() * WINDOW_SECONDS)

    await in_transaction(both)


async def write(session: AsyncSession, name: str) -> None:
    await session.execute(text("INSERT INTO chaos_writes (name) VALUES (:name)"), {"name": name})


async def send(name: str) -> None:
    row = composed(Written(name=name), key=name[:2], now=datetime.now(UTC))
    async with connect() as broker:
        await broker.publish(Outgoing(row["message_id"], row["type"], row["key"], numbered(row["body"], 1)))
