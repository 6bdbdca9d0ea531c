"""Routes that read which database they are in, and that write to it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import String, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.chassis.database import session
from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis.replicated import PLACE, TABLE

router = APIRouter()
Session = Annotated[AsyncSession, Depends(session, scope="function")]


class Base(DeclarativeBase):
    """Of a table that no migration knows."""


class Place(Base):
    __tablename__ = "chassis_probe_places"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32))


@router.put("/place")
async def make(database: Session, name: str) -> None:
    await database.execute(text(TABLE))
    await database.execute(text("DELETE FROM chassis_probe_places"))
    database.add(Place(id=PLACE, name=name))


@router.get("/place")
@declare(replica=True)
async def place(database: Session) -> str | None:
    return await read(database)


@router.get("/place/undeclared")
async def undeclared(database: Session) -> str | None:
    return await read(database)


@router.get("/place/locked")
@declare(replica=True)
async def locked(database: Session) -> str | None:
    return await database.scalar(select(Place.name).with_for_update())


@router.get("/place/then-written")
@declare(replica=True)
async def then_written(database: Session, name: str) -> list[str | None]:
    before = await read(database)
    await write(database, name=name)
    return [before, await read(database)]


@router.get("/place/within")
@declare(replica=True)
async def within(database: Session, name: str) -> list[str | None]:
    """What reads first, and then works in a transaction."""
    before = await read(database)
    return [before, await in_transaction(read_and_write, name=name)]


@router.post("/place")
async def change(database: Session, name: str) -> None:
    await write(database, name=name)


@router.post("/place/transaction")
async def change_in_transaction(name: str) -> None:
    await in_transaction(write, name=name)


async def read_and_write(database: AsyncSession, *, name: str) -> str | None:
    found = await read(database)
    await write(database, name=name)
    return found


async def read(database: AsyncSession) -> str | None:
    return await database.scalar(select(Place.name).where(Place.id == PLACE))


async def write(database: AsyncSession, *, name: str) -> None:
    await database.execute(update(Place).where(Place.id == PLACE).values(name=name))
