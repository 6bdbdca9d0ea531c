"""Tokens over HTTP."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from app.chassis import tokens
from app.chassis.accounts import OWN_SCOPE
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.routes import declare
from app.chassis.tokens import flows, schemas

# ruff: noqa: ARG001 - Ninja passes the request

router = Router(tags=["auth"])
routers = [router]
NO_STORE = "no-store"


@router.post("/v1/auth/tokens", response={200: schemas.Tokens, 401: None, 429: None})
@declare(public=True)
def log_in(request: HttpRequest, form: Login, response: HttpResponse) -> schemas.Tokens:
    response["Cache-Control"] = NO_STORE
    return flows.log_in(form)


@router.post("/v1/auth/tokens/refreshed", response={200: schemas.Tokens, 401: None})
@declare(public=True)
def refresh(request: HttpRequest, form: schemas.RefreshToken, response: HttpResponse) -> schemas.Tokens:
    response["Cache-Control"] = NO_STORE
    return flows.refresh(form)


@router.post("/v1/auth/logouts", response={204: None})
@declare(public=True)
def log_out(request: HttpRequest, form: schemas.Logout) -> tuple[int, None]:
    flows.log_out(form)
    return 204, None


@router.post("/v1/auth/password", response={200: schemas.Tokens, 409: None, 429: None})
@declare(scope=OWN_SCOPE)
def change_password(request: HttpRequest, form: PasswordChange, response: HttpResponse) -> schemas.Tokens:
    response["Cache-Control"] = NO_STORE
    return flows.change_password(form)


@router.get("/.well-known/jwks.json", response=dict[str, Any])
@declare(public=True)
def key_set(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    # So long a key has to be published before it signs, for those who keep the set: docs/jwt.md.
    response["Cache-Control"] = "public, max-age=300"
    return tokens.keys().published()
