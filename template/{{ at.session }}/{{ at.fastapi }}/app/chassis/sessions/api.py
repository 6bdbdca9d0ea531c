"""Sessions over HTTP. The views are no coroutines, as those of accounts."""

from fastapi import APIRouter, Response

from app.chassis import sessions
from app.chassis.accounts import OWN_SCOPE
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.openapi import problems
from app.chassis.routes import declare
from app.chassis.sessions import flows, schemas

router = APIRouter(prefix="/v1/auth", tags=["auth"])
routers = [router]
NO_STORE = "no-store"


@router.post("/sessions", responses=problems(401, 403, 429))
@declare(public=True)
def log_in(form: Login, response: Response) -> schemas.SessionOut:
    return given(response, flows.log_in(form))


@router.get("/sessions/current")
@declare(scope=OWN_SCOPE)
def current_session(response: Response) -> schemas.SessionOut:
    response.headers["Cache-Control"] = NO_STORE
    return flows.present()


@router.post("/logouts", status_code=204)
@declare(scope=OWN_SCOPE)
def log_out(form: schemas.Logout, response: Response) -> None:
    flows.log_out(form)
    response.set_cookie(value="", max_age=0, **sessions.cookie())


@router.post("/password", responses=problems(409, 429))
@declare(scope=OWN_SCOPE)
def change_password(form: PasswordChange, response: Response) -> schemas.SessionOut:
    return given(response, flows.change_password(form))


def given(response: Response, begun: flows.Begun) -> schemas.SessionOut:
    response.headers["Cache-Control"] = NO_STORE
    response.set_cookie(value=begun.token, max_age=sessions.longest(), **sessions.cookie())
    return begun.shown
