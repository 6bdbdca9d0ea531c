"""Views that say who may use them."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.chassis.auth import principal
from app.chassis.routes import declare

router = APIRouter()


class Note(BaseModel):
    text: Annotated[str, Field(max_length=10)]


@router.get("/mine")
@declare(scope="probe:read")
async def mine() -> dict[str, Any]:
    who = principal()
    return {"subject": who.subject, "tenant": who.tenant, "scopes": sorted(who.scopes)}


@router.post("/mine", status_code=201)
@declare(scope="probe:write")
async def add(note: Note) -> Note:
    return note
