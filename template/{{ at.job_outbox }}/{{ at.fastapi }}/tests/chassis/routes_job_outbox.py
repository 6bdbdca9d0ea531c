"""A view that makes jobs look as if another queue had them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.database import session

router = APIRouter()


@router.put("/orphans", status_code=204)
async def make_orphans(database: Annotated[AsyncSession, Depends(session, scope="function")]) -> None:
    await database.execute(text("UPDATE chassis_jobs SET deliver_at = NULL"))
