"""Sessions over HTTP."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from app.chassis import sessions
from app.chassis.accounts import OWN_SCOPE
from app.chassis.accounts.schemas import Login, PasswordChange
from app.chassis.routes import declare
from app.chassis.sessions import flows, schemas
from app.chassis.sessions.engine import SessionStore

# ruff: noqa: ARG001 - Ninja passes the request

router = Router(tags=["auth"])
routers = [router]
NO_STORE = "no-store"


@router.post("/v1/auth/sessions", response={200: schemas.SessionOut, 401: None, 403: None, 429: None})
@declare(public=True)
def log_in(request: HttpRequest, form: Login, response: HttpResponse) -> schemas.SessionOut:
    return given(request, response, flows.log_in(form))


@router.get("/v1/auth/sessions/current", response=schemas.SessionOut)
@declare(scope=OWN_SCOPE)
def current_session(request: HttpRequest, response: HttpResponse) -> schemas.SessionOut:
    response["Cache-Control"] = NO_STORE
    return flows.present()


@router.post("/v1/auth/logouts", response={204: None})
@declare(scope=OWN_SCOPE)
def log_out(request: HttpRequest, form: schemas.Logout, response: HttpResponse) -> tuple[int, None]:
    flows.log_out(form)
    request.session = SessionStore()
    response.set_cookie(value="", max_age=0, **sessions.cookie())
    return 204, None


@router.post("/v1/auth/password", response={200: schemas.SessionOut, 409: None, 429: None})
@declare(scope=OWN_SCOPE)
def change_password(request: HttpRequest, form: PasswordChange, response: HttpResponse) -> schemas.SessionOut:
    return given(request, response, flows.change_password(form))


def given(request: HttpRequest, response: HttpResponse, begun: flows.Begun) -> schemas.SessionOut:
    # Or what somebody does with the one that came with the request would come back in its cookie.
    request.session = SessionStore(begun.token)
    response["Cache-Control"] = NO_STORE
    response.set_cookie(value=begun.token, max_age=sessions.longest(), **sessions.cookie())
    return begun.shown
