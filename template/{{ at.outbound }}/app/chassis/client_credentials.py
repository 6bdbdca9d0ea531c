"""A token for calls to another service, in exchange for client credentials: RFC 6749, section 4.4."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Annotated, Any, Final
from urllib.parse import quote_plus

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from app.chassis.budget import Budget
from app.chassis.dependency import RETRY_SHARE

# The extension of a request that does no harm when it is repeated, whatever its method.
HARMLESS: Final = "harmless"
log = structlog.get_logger()
# Largest answer of an authorization server, in bytes.
LIMIT: Final = 1 << 16
# Seconds that a token is good for whose server does not say.
UNSAID: Final = 300.0
LONGEST: Final = 86_400.0
# A token is renewed when a tenth of its time is left, a minute at most, and not used when half of that is.
EARLY_SHARE: Final = 0.1
EARLIEST: Final = 60.0


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who this service is to the authorization server at `token_url`, and what it asks for.

    `in_body` sends the secret in the form, to servers that do not take it as Basic authentication.
    """

    token_url: str
    client_id: str
    client_secret: SecretStr
    scope: str = ""
    audience: str = ""
    in_body: bool = False

    def request(self) -> dict[str, Any]:
        """Options of the POST."""
        form = {"grant_type": "client_credentials", "scope": self.scope, "audience": self.audience}
        headers = {"accept": "application/json"}
        secret = self.client_secret.get_secret_value()
        if self.in_body:
            form |= {"client_id": self.client_id, "client_secret": secret}
        else:
            # Section 2.3.1: both are encoded as in a form before they are joined.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        data = {name: value for name, value in form.items() if value}
        return {"data": data, "headers": headers, "extensions": {HARMLESS: True}}


class Granted(BaseModel):
    """What a server answers; what else it says does not matter here."""

    model_config = ConfigDict(hide_input_in_errors=True, allow_inf_nan=False)

    access_token: str = Field(pattern=r"^[\x21-\x7e]+$")
    token_type: str = Field(pattern=r"^(?i:bearer)$")
    expires_in: Annotated[float, Field(gt=0)] | None = None


class Refused(BaseModel):
    """Section 5.2. The description is not read: who knows what it repeats."""

    error: str = Field(pattern=r"^[a-z_]{1,40}$")


class NotGranted(Exception):
    """The server was there, and gave no token; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Token:
    """`ageing` and `over` are of the clock that `Tokens` has."""

    value: str = field(repr=False)
    ageing: float
    over: float


class Tokens:
    """The token of one client, one after the other; safe for threads. `clock` is in seconds."""

    def __init__(self, name: str, credentials: ClientCredentials, *, clock: Callable[[], float] = monotonic) -> None:
        self.name = name
        self.credentials = credentials
        self._now = clock
        self._kept: Token | None = None
        self._renewals = Budget(RETRY_SHARE)
        self._lock = Lock()

    def kept(self) -> Token | None:
        """The one to use, if there is one."""
        kept = self._kept
        return kept if kept is not None and self._now() < kept.over else None

    def is_ageing(self, token: Token) -> bool:
        """Whether it is time to fetch another, and still time to use this one."""
        return self._now() >= token.ageing

    def keep(self, status: int, body: bytes) -> Token:
        """Of what the server answered. Raises NotGranted."""
        seconds, value = granted(status, body)
        early = min(EARLIEST, seconds * EARLY_SHARE)
        over = self._now() + seconds - early / 2
        token = Token(value, over - early / 2, over)
        with self._lock:
            self._kept = token
        return token

    def renew(self, used: str) -> bool:
        """Whether a call that was refused with this token may be made again, with another one.

        Another one is there already, or may be fetched: for a tenth of the calls at most, as a service that refuses
        every token would else double its calls, and have the authorization server called with each.
        """
        with self._lock:
            if self._kept is not None and self._kept.value == used:
                if not self._renewals.spend():
                    return False
                self._kept = None
            return True

    def used(self) -> None:
        """A call is made with it."""
        self._renewals.earn()

    def failed(self, error: Exception) -> None:
        """The only place that tells the operator why: a client is told that there is no token."""
        reason = str(error) if isinstance(error, NotGranted) else type(error).__name__
        log.warning("token.failed", client=self.name, reason=reason)


def granted(status: int, body: bytes) -> tuple[float, str]:
    """How many seconds a token is good for, and the token. Raises NotGranted."""
    # `from None`: an error of pydantic's has the answer in it.
    if status != 200:
        try:
            raise NotGranted(f"{status} {Refused.model_validate_json(body).error}") from None
        except ValidationError:
            raise NotGranted(str(status)) from None
    try:
        answer = Granted.model_validate_json(body)
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, one["loc"])) or "no JSON" for one in error.errors()}))
        raise NotGranted(f"an answer that cannot be used: {wrong}") from None
    return min(answer.expires_in or UNSAID, LONGEST), answer.access_token
