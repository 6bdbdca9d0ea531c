"""Writes that a job follows: in their transaction, and as one would enqueue without one."""

import asyncio
from random import random
from typing import Annotated

from app.chassis.database import session
from app.chassis.jobs.queue import enqueue
from app.chassis.transactions import in_transaction
from app.features.chaos_jobs import jobs
from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

router = APIRouter(prefix="/chaos/jobs")
Session = Annotated[AsyncSession, Depends(session, scope="function")]
# Between the two transactions, where there are two: so long that somebody is killed in it.
WINDOW_SECONDS = 0.5


@router.post("/within/{name}", status_code=204)
async def within(session: Session, name: str) -> None:
    await write(session, name)
    await enqueue(session, jobs.follow, name=name)


@router.post("/after/{name}", status_code=204)
async def enqueue_after_commit(name: str) -> None:
    await in_transaction(write, name)
    await asyncio.sleep(random() * WINDOW_SECONDS)
    await in_transaction(send, name)


@router.post("/before/{name}", status_code=204)
async def enqueue_before_commit(name: str) -> None:
    await in_transaction(send, name)
    await asyncio.sleep(random() * WINDOW_SECONDS)
    await in_transaction(write, name)


async def write(session: AsyncSession, name: str) -> None:
    await session.execute(text("INSERT INTO chaos_writes (name) VALUES (:name)"), {"name": name})


async def send(session: AsyncSession, name: str) -> None:
    await enqueue(session, jobs.follow, name=name)
