"""Accounts of this service's own users: how they register, show who they are, and look after themselves.

What whoever logs in gets, tokens or a session, is another capability's.

Sources: NIST SP 800-63B-4 (passwords), RFC 6238 (TOTP).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.chassis import identity
from app.chassis.routes import SCOPE
from app.chassis.settings import BaseSettings, in_production, load

if TYPE_CHECKING:
    from prometheus_client import Metric

OWN_SCOPE: Final = "account"
"""What every account may do: look after itself."""
LEAST_COST: Final = 35 * 1024
"""KiB times passes: the least of the settings that OWASP's Password Storage Cheat Sheet has for argon2id."""


class Settings(BaseSettings):
    registration: Literal["open", "confirmed", "closed"] = Field(
        "open",
        description="Whether anybody may make an account; confirmed: it is of no use until somebody confirms it.",
        examples=["open"],
    )
    account_scopes: str = Field(
        "", description="What every account may do, beside looking after itself.", examples=["orders:read orders:write"]
    )
    password_min_length: int = Field(
        8, ge=8, le=64, description="Characters that a password has at least.", examples=["8"]
    )
    argon2_memory: int = Field(
        19_456, ge=64, le=4_194_304, description="KiB that hashing a password takes.", examples=["19456"]
    )
    argon2_passes: int = Field(
        2,
        ge=1,
        le=100,
        validate_default=True,
        description="How often hashing a password goes over its memory.",
        examples=["2"],
    )

    @field_validator("account_scopes")
    @classmethod
    def check_scopes(cls, value: str) -> str:
        if not all(map(SCOPE.fullmatch, value.split())):
            raise ValueError("has names of scopes between spaces: visible ASCII without quotes")
        return value

    @field_validator("argon2_passes")
    @classmethod
    def refuse_weak_hash(cls, value: int, info: ValidationInfo) -> int:
        if in_production(info) and value * info.data.get("argon2_memory", LEAST_COST) < LEAST_COST:
            raise ValueError(f"times ARGON2_MEMORY is less than {LEAST_COST} KiB: too weak for ENVIRONMENT=production")
        return value


@dataclass(frozen=True, slots=True)
class Account:
    """A row: `id` is the subject of its principal, `name` is in lower case, times are in UTC.

    It can be used once it is confirmed, which it is from the beginning unless REGISTRATION says otherwise, and while it
    is not disabled.
    `password` is an argon2id hash; `totp_secret` is encrypted, empty without a second factor, and `totp_confirmed` says
    that its owner has shown to have it; `totp_used` is the number of the last code that was taken.
    """

    id: str
    name: str
    password: str
    roles: str
    tenant: str
    created_at: datetime
    confirmed_at: datetime | None = None
    disabled_at: datetime | None = None
    totp_secret: str = ""
    totp_confirmed: bool = False
    totp_used: int = 0

    @property
    def usable(self) -> bool:
        return self.confirmed_at is not None and self.disabled_at is None


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def scopes_of(roles: str) -> frozenset[str]:
    """What an account with these roles may do."""
    return words(load(Settings).account_scopes) | identity.scopes_of(words(roles)) | {OWN_SCOPE}


# -- what happens to accounts ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registered:
    """Somebody has registered with this name; `taken`: in vain, as an account has it, and was not told so."""

    subject: str
    name: str
    taken: bool


Hook = Callable[[Registered], None]
hooks: list[Hook] = []


def on_registered(hook: Hook) -> Hook:
    """`@on_registered` above a function: called after each registration is stored, to send a mail or what else.

    In a thread, and before the reply: what takes long is handed over, and `taken` must take as long, or it is told.
    What it raises is logged, and the registration stands.
    """
    hooks.append(hook)
    return hook


def routers() -> list[Any]:
    """The service's routes that this part brings."""
    from app.chassis.accounts.api import routers as found  # noqa: PLC0415 - the framework is there by now

    return found


logins: Counter[str] = Counter()


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily("auth_logins", "Attempts to log in.", labels=("outcome",))
    for outcome in ("ok", "wrong", "code_missing", "code_wrong", "limited"):
        family.add_metric((outcome,), logins[outcome])
    yield family
