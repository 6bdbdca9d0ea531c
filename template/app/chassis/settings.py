"""Typed settings from the environment: each part declares what it reads, and a bad value stops the start."""

import os
from collections.abc import Iterable
from errno import ENOTDIR
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

import pydantic_settings
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

Environment = Literal["development", "test", "production"]
SECRETS_DIR = "/run/secrets"
DEVELOPMENT_KEY = "development-only-key-never-use-it-in-production"


def split_commas(value: object) -> object:
    """`a, b` as a tuple: lists in the environment are written with commas, not as JSON."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
"""A comma-separated list, such as `ALLOWED_HOSTS=api.example.com,.internal`."""


def check_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(one)) for one in value)
    except ValueError:
        raise ValueError("each is an IP address or a network without host bits") from None


Networks = Annotated[Names, AfterValidator(check_networks)]
"""A comma-separated list of addresses and networks, such as `TRUSTED_PROXIES=10.0.0.0/8,192.168.1.7`."""


class BaseSettings(pydantic_settings.BaseSettings):
    """What every part's settings know: a field is the variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True, allow_inf_nan=False
    )

    environment: Environment = Field("development", description="Where this runs.", examples=["production"])


class Settings(BaseSettings):
    """What belongs to no part alone."""

    debug: bool = Field(
        default=False, description="The framework's own error pages; refused in production.", examples=["false"]
    )
    secret_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_KEY),
        validate_default=True,
        description="Signs what the service hands out; at least 32 characters.",
        examples=["the output of: openssl rand -base64 48"],
    )
    secrets_dir: Path = Field(
        Path(SECRETS_DIR),
        description="Where files may be instead of variables: the name is the variable's, the content its value.",
        examples=[SECRETS_DIR],
    )

    @field_validator("debug")
    @classmethod
    def refuse_debug(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - Pydantic's signature
        if value and in_production(info):
            raise ValueError("debug pages show source code: not when ENVIRONMENT=production")
        return value

    @field_validator("secret_key")
    @classmethod
    def refuse_weak_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        key = value.get_secret_value()
        if in_production(info) and (key == DEVELOPMENT_KEY or len(key) < 32 or len(set(key)) < 12):
            raise ValueError("missing or too weak for ENVIRONMENT=production: at least 32 random characters")
        return value


class SettingsError(Exception):
    """Settings that cannot be used: one line per variable, each with its cure."""


AnySettings = TypeVar("AnySettings", bound=BaseSettings)
_loaded: dict[type[BaseSettings], BaseSettings] = {}


def load(kind: type[AnySettings]) -> AnySettings:
    """The settings of one part, read once per process. Raises SettingsError."""
    if kind not in _loaded:
        lines = problems([kind])
        if lines:
            raise SettingsError("\n".join(lines))
    return cast("AnySettings", _loaded[kind])


def forget() -> None:
    """Let the next `load` read the environment again; for tests."""
    _loaded.clear()


def problems(kinds: Iterable[type[BaseSettings]]) -> list[str]:
    """Read all of them; one line for every variable that is missing or wrong."""
    lines: dict[str, None] = {}
    for kind in kinds:
        try:
            _loaded[kind] = kind(_env_file=env_file(), _secrets_dir=secrets_dir())
        except OSError as error:
            why = f"{error.filename} cannot be read: {error.strerror}"
            lines[f"SECRETS_DIR: {why} (example: SECRETS_DIR={SECRETS_DIR})"] = None
        except ValidationError as error:
            lines.update(dict.fromkeys(line(kind, cast("dict[str, Any]", one)) for one in error.errors()))
    return list(lines)


def line(kind: type[BaseSettings], error: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    field = kind.model_fields.get(name)
    text = str(error["msg"]).removeprefix("Value error, ")
    example = field.examples[0] if field is not None and field.examples else "..."
    return f"{name.upper()}: {text} (example: {name.upper()}={example})"


def env_file() -> Path | None:
    """`.env` is a convenience of development: anywhere else the environment alone counts."""
    return Path(".env") if os.environ.get("ENVIRONMENT") in {None, "", "development"} else None


def secrets_dir() -> Path | None:
    """Where an orchestrator puts secrets as files; a variable of the environment wins."""
    given = os.environ.get("SECRETS_DIR")
    folder = Path(given or SECRETS_DIR)
    # One that somebody has named has to be there.
    if given and not folder.is_dir():
        raise NotADirectoryError(ENOTDIR, "it is no folder", str(folder))
    # The usual one may be there for somebody else.
    return folder if given or os.access(folder, os.R_OK | os.X_OK) else None


def split_url(url: str) -> SplitResult:
    """The parts of an address, whose host and port can be read; what is wrong is said without the value."""
    try:
        parts = urlsplit(url)
        # They are parsed, and refused, only when somebody asks for them.
        _ = parts.hostname, parts.port
    except ValueError:
        # The error's own text shows a part of the address, and that can be the password.
        raise ValueError("is no URL: special characters of a password are percent-encoded") from None
    return parts


def in_production(info: ValidationInfo) -> bool:
    return info.data.get("environment") == "production"
