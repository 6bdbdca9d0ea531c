"""Accounts over HTTP."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from app.chassis.accounts import OWN_SCOPE, flows, schemas
from app.chassis.routes import declare

# ruff: noqa: ARG001 - Ninja passes the request

router = Router(tags=["auth"])
routers = [router]
NO_STORE = "no-store"


@router.post("/v1/auth/registrations", response={202: schemas.Accepted, 403: None, 429: None})
@declare(public=True)
def register(request: HttpRequest, form: schemas.Registration) -> tuple[int, schemas.Accepted]:
    return 202, flows.register(form)


@router.get("/v1/auth/me", response=schemas.Me)
@declare(scope=OWN_SCOPE)
def me(request: HttpRequest) -> schemas.Me:
    return flows.me()


@router.post("/v1/auth/second-factor", response={200: schemas.SecondFactor, 409: None, 429: None})
@declare(scope=OWN_SCOPE)
def add_second_factor(
    request: HttpRequest, form: schemas.PasswordAgain, response: HttpResponse
) -> schemas.SecondFactor:
    response["Cache-Control"] = NO_STORE
    return flows.add_second_factor(form)


@router.post("/v1/auth/second-factor/confirmation", response={204: None, 409: None, 429: None})
@declare(scope=OWN_SCOPE)
def confirm_second_factor(request: HttpRequest, form: schemas.CodeOnly) -> tuple[int, None]:
    flows.confirm_second_factor(form)
    return 204, None


@router.post("/v1/auth/second-factor/removal", response={204: None, 429: None})
@declare(scope=OWN_SCOPE)
def remove_second_factor(request: HttpRequest, form: schemas.SecondFactorRemoval) -> tuple[int, None]:
    flows.remove_second_factor(form)
    return 204, None
