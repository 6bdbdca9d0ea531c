"""Where the cache is, how long it may take, and how much it may hold."""

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.settings import BaseSettings, in_production, split_url

EXAMPLE = "redis://localhost:6379/0"
SCHEMES = {"redis", "rediss", "unix"}


class Settings(BaseSettings):
    cache_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="The Redis or Valkey that values are kept in; required in production.",
        examples=[EXAMPLE],
    )
    cache_timeout: float = Field(0.1, gt=0, le=10, description="Seconds that it may take to answer.", examples=["0.1"])
    cache_pool_size: int = Field(20, ge=1, le=1000, description="Most connections of one process.", examples=["20"])
    cache_value_limit: int = Field(
        1 << 20, ge=1, le=1 << 29, description="Bytes of the largest value that is kept.", examples=["1048576"]
    )
    cache_memory: int = Field(
        1 << 24, ge=1 << 16, description="Bytes that a process keeps by itself.", examples=["16777216"]
    )

    @field_validator("cache_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            if in_production(info):
                raise ValueError("is missing: processes that do not share a cache do not hear of each other's changes")
            return value
        parts = split_url(value)
        if parts.scheme not in SCHEMES:
            raise ValueError("is for no Redis: it begins with redis://, rediss:// or unix://")
        if parts.scheme != "unix" and not parts.hostname:
            raise ValueError("names no host")
        if parts.scheme != "unix" and not (parts.path.strip("/") or "0").isdigit():
            raise ValueError("names a database that is no number")
        return value
