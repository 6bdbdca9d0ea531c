"""A route that says how it was called."""

from fastapi import APIRouter, Request

router = APIRouter()


@router.get("/address")
async def address(request: Request) -> dict[str, str]:
    return {"address": str(request.url)}
