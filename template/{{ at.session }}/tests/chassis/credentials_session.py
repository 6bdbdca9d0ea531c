"""Sessions that tests use: of accounts that are made for them."""

from app.chassis.sessions import COOKIE
from tests.chassis.running import KEY, called


def headers(url: str, subject: str, *scopes: str) -> dict[str, str]:
    env = {"DATABASE_URL": url, "SECRET_KEY": KEY}
    cookie, csrf = called("tests.chassis.session_command", subject, *scopes, **env).split()
    return {"Cookie": cookie, "X-CSRF-Token": csrf}


def wrong() -> dict[str, str]:
    return {"Cookie": f"{COOKIE}=hunter2"}
