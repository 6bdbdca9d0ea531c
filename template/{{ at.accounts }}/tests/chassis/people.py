"""Those who have accounts, as tests need them."""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pyotp

from tests.chassis import logins
from tests.chassis.logins import Login
from tests.chassis.running import Service, called

PASSWORD = "a lamp on four tables"
numbers = itertools.count(1)


def post(service: Service, path: str, headers: Mapping[str, str] | None = None, /, **body: Any) -> Any:
    return service.http.post(f"/v1/auth/{path}", json=body, headers=headers)


def somebody(service: Service, password: str = PASSWORD) -> str:
    """The name of a new account."""
    name = f"user{next(numbers)}@example.com"
    answer = post(service, "registrations", name=name, password=password)
    assert answer.status_code == 202, answer.text
    return name


def tried(service: Service, name: str, password: str = PASSWORD, **more: str) -> Any:
    """What is answered to whoever tries to log in."""
    return post(service, logins.PATH, name=name, password=password, **more)


def log_in(service: Service, name: str, password: str = PASSWORD, **more: str) -> Login:
    answer = tried(service, name, password, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return logins.begun(answer)


def me(service: Service, login: Login) -> Any:
    return service.http.get("/v1/auth/me", headers=login.headers)


def run(service: Service, *arguments: str, stdin: str = "") -> str:
    wanted = ("DATABASE_URL", "PASSWORD_MIN_LENGTH")
    env: dict[str, str] = {name: service.env[name] for name in wanted if name in service.env}
    env["PASSWORD_FOR_TESTS"] = stdin
    return called("tests.chassis.accounts_command", *arguments, **env)


def code(secret: str, step: int = 0) -> str:
    """Of so many steps of half a minute from now."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * step)
