"""What a login is here: a cookie, and the token that goes with it."""

from dataclasses import dataclass
from typing import Any

from app.chassis.sessions import COOKIE
from tests.chassis.running import Service

PATH = "sessions"
"""Under /v1/auth, where one logs in."""


@dataclass(frozen=True)
class Login:
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request its owner's."""
        return {"cookie": f"{COOKIE}={self.cookie}", "x-csrf-token": self.csrf}

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.cookie, self.csrf

    def renewed(self, _service: Service) -> "Login":
        """The same login, with what its account may do by now."""
        return self

    def goes_on(self, service: Service) -> bool:
        """Whether it has not ended."""
        return bool(service.http.get("/v1/auth/me", headers=self.headers).status_code == 200)


def begun(answer: Any) -> Login:
    (sent,) = answer.headers.get_list("set-cookie")
    name, _, rest = sent.partition("=")
    assert name == COOKIE
    return Login(rest.partition(";")[0], answer.json()["csrf_token"])
