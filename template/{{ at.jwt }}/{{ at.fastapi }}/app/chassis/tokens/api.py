"""Tokens over HTTP. The views are no coroutines, as those of accounts."""

from typing import Any

from fastapi import APIRouter, Response

from app.chassis import tokens
from app.chassis.accounts import OWN_SCOPE
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.openapi import problems
from app.chassis.routes import declare
from app.chassis.tokens import flows, schemas

router = APIRouter(prefix="/v1/auth", tags=["auth"])
well_known = APIRouter(tags=["auth"])
routers = [router, well_known]
NO_STORE = "no-store"


@router.post("/tokens", responses=problems(401, 429))
@declare(public=True)
def log_in(form: Login, response: Response) -> schemas.Tokens:
    response.headers["Cache-Control"] = NO_STORE
    return flows.log_in(form)


@router.post("/tokens/refreshed", responses=problems(401))
@declare(public=True)
def refresh(form: schemas.RefreshToken, response: Response) -> schemas.Tokens:
    response.headers["Cache-Control"] = NO_STORE
    return flows.refresh(form)


@router.post("/logouts", status_code=204)
@declare(public=True)
def log_out(form: schemas.Logout) -> None:
    flows.log_out(form)


@router.post("/password", responses=problems(409, 429))
@declare(scope=OWN_SCOPE)
def change_password(form: PasswordChange, response: Response) -> schemas.Tokens:
    response.headers["Cache-Control"] = NO_STORE
    return flows.change_password(form)


@well_known.get("/.well-known/jwks.json")
@declare(public=True)
def key_set(response: Response) -> dict[str, Any]:
    # So long a key has to be published before it signs, for those who keep the set: docs/jwt.md.
    response.headers["Cache-Control"] = "public, max-age=300"
    return tokens.keys().published()
