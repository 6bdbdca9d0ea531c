"""Django's own use of the sessions: what they are to views and middlewares, and to the admin."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db.models.signals import pre_delete
from django.http import HttpRequest, HttpResponse

from app.chassis.accounts.store import transact
from app.chassis.sessions import COOKIE, api, digest, flows, schemas
from app.chassis.sessions.engine import ABOUT, SessionStore
from app.chassis.sessions.models import SessionRow
from app.chassis.sessions.store import Sessions, found

pytestmark = pytest.mark.django_db
Touch = Callable[[HttpRequest], object]


def begun() -> str:
    """The secret of a session of ada's."""
    return transact(lambda store: flows.given(store, "ada", frozenset({"probe:read"})))


def test_a_view_meets_the_session_that_the_edge_knows() -> None:
    token = begun()
    assert SessionStore(token)[ABOUT]["account"] == "ada"
    row = SessionRow.objects.get(session_key=token)
    assert (row.pk, row.account_id, row.scopes) == (digest(token), "ada", "probe:read")


def test_what_a_view_keeps_leaves_it_whose_it_is() -> None:
    token = begun()
    store = SessionStore(token)
    store["theme"] = "dark"
    store.save()
    kept = found(token)
    assert kept is not None
    assert (kept.account_id, SessionStore(token)["theme"]) == ("ada", "dark")


def ended(token: str) -> bool:
    return not SessionRow.objects.filter(session_key=token).exists()


@pytest.mark.parametrize(
    "end",
    [
        lambda token: transact(lambda store: Sessions(store).end(token)),
        lambda _token: transact(lambda store: Sessions(store).end_all("ada")),
        lambda token: SessionStore(token).flush(),
        lambda token: SessionRow.objects.get(session_key=token).delete(),
    ],
    ids=["end", "end_all", "flush", "delete"],
)
@pytest.mark.parametrize("heard", [False, True], ids=["", "somebody listens"])
def test_what_ends_is_gone_whoever_listens(end: Callable[[str], object], heard: bool) -> None:
    """A receiver of every deletion makes Django read the rows first."""
    token, receiver = begun(), lambda **_signal: None
    if heard:
        pre_delete.connect(receiver)
    try:
        end(token)
    finally:
        pre_delete.disconnect(receiver)
    assert ended(token)


def test_who_logs_in_to_django_leaves_the_account() -> None:
    token = begun()
    store = SessionStore(token)
    store["_auth_user_id"] = "1"
    store.cycle_key()
    assert ended(token)
    assert store.session_key is not None
    kept = found(store.session_key)
    assert kept is not None
    assert kept.account_id is None


def test_a_session_gets_no_younger_by_being_saved() -> None:
    store = SessionStore()
    store["cart"] = 1
    store.save()
    assert store.session_key is not None
    long_ago = datetime.now(UTC) - timedelta(days=2)
    again = SessionStore(store.session_key)
    again[ABOUT]["since"] = long_ago.timestamp()
    again.save()
    later = SessionRow.objects.get(session_key=store.session_key)
    assert (later.created_at - long_ago).total_seconds() < 1
    assert later.expire_date < datetime.now(UTC)


def test_what_was_kept_at_once_says_since_when() -> None:
    store = SessionStore()
    store["cart"] = 1
    store.save()
    assert "since" in SessionStore(store.session_key)[ABOUT]


def nothing(request: HttpRequest) -> None: ...


def read(request: HttpRequest) -> object:
    return request.session.get("_auth_user_id")


def write(request: HttpRequest) -> None:
    request.session["seen"] = True


def replied(cookie: str | None, touch: Touch, view: Callable[[HttpRequest, HttpResponse], object]) -> HttpResponse:
    """What a middleware that touches the session makes of a reply."""

    def respond(request: HttpRequest) -> HttpResponse:
        touch(request)
        response = HttpResponse()
        view(request, response)
        return response

    request = HttpRequest()
    request.COOKIES = {} if cookie is None else {COOKIE: cookie}
    reply: Any = SessionMiddleware(respond)(request)
    return reply  # type: ignore[no-any-return]


@pytest.mark.parametrize("touch", [nothing, read, write])
@pytest.mark.parametrize("cookie", [None, "", "a", "a" * 43])
def test_a_login_is_what_its_cookie_says(cookie: str | None, touch: Touch) -> None:
    given = flows.Begun(begun(), schemas.SessionOut(csrf_token="", expires_at=datetime.now(UTC), idle_seconds=1))
    reply = replied(cookie, touch, lambda request, response: api.given(request, response, given))
    assert (reply.status_code, reply.cookies[COOKIE].value) == (200, given.token)
    assert reply.cookies[COOKIE]["max-age"]
