"""A route that says how it was called."""

from django.http import HttpRequest
from ninja import Router

router = Router()


@router.get("/address")
def address(request: HttpRequest) -> dict[str, str]:
    return {"address": request.build_absolute_uri()}
