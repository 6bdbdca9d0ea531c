"""Where the broker of jobs is: it wakes the workers, and the table of the jobs knows better."""

from pydantic import Field, ValidationInfo, field_validator

from app.chassis import about
from app.chassis.jobs import address
from app.chassis.settings import BaseSettings, in_production, load, split_url


class Settings(BaseSettings):
    jobs_broker_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where the broker of jobs is; required in production.",
        examples=[address.EXAMPLE],
    )
    jobs_broker_queue: str = Field(
        f"{about.NAME}-jobs",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="The name of this service's queue in the broker.",
        examples=[f"{about.NAME}-jobs"],
    )

    @field_validator("jobs_broker_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no job would reach a worker")
        for one in value.split(",") if value else ():
            if split_url(one.strip()).scheme not in address.SCHEMES:
                begin = " or ".join(f"{scheme}://" for scheme in address.SCHEMES)
                raise ValueError(f"is for no {address.NAME}: it begins with {begin}")
        return value


def given() -> bool:
    """Whether there is a broker; without one workers take jobs straight from the table."""
    return bool(load(Settings).jobs_broker_url)
