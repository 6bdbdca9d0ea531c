"""What the operator says of events."""

from pydantic import Field, field_validator

from app.chassis import about
from app.chassis.events import transport


class Settings(transport.Settings):
    events_group: str = Field(
        about.NAME,
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="Whose copy of the events the consumers share.",
        examples=[about.NAME],
    )
    events_tries: int = Field(
        5, ge=1, le=100, description="How often a handler may fail before the event is a dead letter.", examples=["5"]
    )
    events_concurrency: int = Field(
        8, ge=1, le=512, description="Handlers that one consumer runs at a time.", examples=["8"]
    )
    events_together: int = Field(
        32,
        ge=1,
        le=256,
        description="Events that may share the transaction of a handler that allows it; a power of two.",
        examples=["32"],
    )
    events_limit: int = Field(
        262_144,
        ge=1024,
        le=16_777_216,
        description="Largest event, in bytes of its envelope.",
        examples=["262144"],
    )
    events_batch: int = Field(
        200, ge=1, le=5000, description="Events that the relay takes at a time.", examples=["200"]
    )
    events_inbox_ttl: int = Field(
        1_209_600, ge=60, description="Seconds that a handled event is remembered.", examples=["1209600"]
    )

    @field_validator("events_together")
    @classmethod
    def check_together(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("is no power of two, such as 16, 32 or 64")
        return value
