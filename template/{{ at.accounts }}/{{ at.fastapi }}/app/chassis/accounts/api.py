"""Accounts over HTTP. The views are no coroutines: hashing a password takes a thread, not the event loop."""

from fastapi import APIRouter, Response

from app.chassis.accounts import OWN_SCOPE, flows, schemas
from app.chassis.openapi import problems
from app.chassis.routes import declare

router = APIRouter(prefix="/v1/auth", tags=["auth"])
routers = [router]
NO_STORE = "no-store"


@router.post("/registrations", status_code=202, responses=problems(403, 429))
@declare(public=True)
def register(form: schemas.Registration) -> schemas.Accepted:
    return flows.register(form)


@router.get("/me")
@declare(scope=OWN_SCOPE)
def me() -> schemas.Me:
    return flows.me()


@router.post("/second-factor", responses=problems(409, 429))
@declare(scope=OWN_SCOPE)
def add_second_factor(form: schemas.PasswordAgain, response: Response) -> schemas.SecondFactor:
    response.headers["Cache-Control"] = NO_STORE
    return flows.add_second_factor(form)


@router.post("/second-factor/confirmation", status_code=204, responses=problems(409, 429))
@declare(scope=OWN_SCOPE)
def confirm_second_factor(form: schemas.CodeOnly) -> None:
    flows.confirm_second_factor(form)


@router.post("/second-factor/removal", status_code=204, responses=problems(429))
@declare(scope=OWN_SCOPE)
def remove_second_factor(form: schemas.SecondFactorRemoval) -> None:
    flows.remove_second_factor(form)
