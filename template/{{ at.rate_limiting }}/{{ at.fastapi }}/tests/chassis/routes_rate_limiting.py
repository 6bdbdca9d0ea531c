"""Routes that may be asked for often, and seldom."""

from fastapi import APIRouter

from app.chassis.routes import declare

router = APIRouter()


@router.get("/often")
@declare(rate_class="often")
async def often() -> None: ...


@router.get("/seldom")
@declare(rate_class="seldom")
async def seldom() -> None: ...
