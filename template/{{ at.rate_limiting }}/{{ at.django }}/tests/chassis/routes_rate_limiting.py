"""Routes that may be asked for often, and seldom."""

from django.http import HttpRequest
from ninja import Router

from app.chassis.routes import declare

router = Router()


@router.get("/often")
@declare(rate_class="often")
def often(request: HttpRequest) -> None: ...


@router.get("/seldom")
@declare(rate_class="seldom")
def seldom(request: HttpRequest) -> None: ...
