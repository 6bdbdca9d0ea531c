"""What a login is here: a pair of tokens."""

from dataclasses import dataclass
from typing import Any

from tests.chassis.running import Service

PATH = "tokens"
"""Under /v1/auth, where one logs in."""


@dataclass(frozen=True)
class Login:
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request its owner's."""
        return {"authorization": f"Bearer {self.tokens['access_token']}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.tokens["access_token"], self.tokens["refresh_token"]

    def renewed(self, service: Service) -> "Login":
        """The same login, with what its account may do by now."""
        return begun(refreshed(service, self))

    def goes_on(self, service: Service) -> bool:
        """Whether it has not ended; to be asked once."""
        return bool(refreshed(service, self).status_code == 200)


def begun(answer: Any) -> Login:
    return Login(answer.json())


def refreshed(service: Service, login: Login) -> Any:
    return service.http.post("/v1/auth/tokens/refreshed", json={"refresh_token": login.tokens["refresh_token"]})
