"""Views that say who may use them."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from app.chassis.auth import principal
from app.chassis.routes import declare

router = Router()


class Note(BaseModel):
    text: Annotated[str, Field(max_length=10)]


@router.get("/mine")
@declare(scope="probe:read")
def mine(request: HttpRequest) -> dict[str, Any]:
    who = principal()
    return {"subject": who.subject, "tenant": who.tenant, "scopes": sorted(who.scopes)}


@router.post("/mine", response={201: Note})
@declare(scope="probe:write")
def add(request: HttpRequest, note: Note) -> tuple[int, Note]:
    return 201, note
