"""A time budget for every request: what is left of it bounds the database and other services; when it is over, 504."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import Field, ValidationInfo, field_validator

from app.chassis import routes
from app.chassis.errors import expire, problem_reply, refusal
from app.chassis.exchange import Exchange, Reply, remaining
from app.chassis.settings import BaseSettings, load

if TYPE_CHECKING:
    from prometheus_client import Metric

# How gRPC writes a timeout on the wire: at most 8 digits and a unit.
_GRPC: Final = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)
_GRPC_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
STAGES: Final = ("queue", "work", "database", "outbound")


class Settings(BaseSettings):
    request_timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds that a request may take until its reply begins.", examples=["30"]
    )
    request_timeout_cap: float = Field(
        60.0,
        gt=0,
        le=3600,
        validate_default=True,
        description="Most seconds that a client may ask for in X-Request-Timeout.",
        examples=["60"],
    )

    @field_validator("request_timeout_cap")
    @classmethod
    def check_cap(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("request_timeout", 0.0):
            raise ValueError("is less than REQUEST_TIMEOUT")
        return value


_seconds = 30.0
_cap = 60.0
_expired: Counter[str] = Counter()


@contextmanager
def resources() -> Iterator[None]:
    global _seconds, _cap
    settings = load(Settings)
    _seconds, _cap = settings.request_timeout, settings.request_timeout_cap
    yield


def enter(exchange: Exchange) -> Reply | None:
    seconds = routes.policy_of(exchange).seconds or _seconds
    asked = exchange.header("x-request-timeout") or exchange.header("grpc-timeout")
    if asked is not None:
        wanted = parsed(asked)
        if wanted is None:
            return problem_reply(400, "X-Request-Timeout is neither seconds, such as 2.5, nor gRPC's, such as 250m.")
        seconds = min(wanted, _cap)
    left = seconds - exchange.queued
    exchange.deadline = exchange.started + left
    if left <= 0:
        # Whoever asked has given up: to begin would be work for nobody.
        return refusal(expire("queue"))
    return None


def leave(exchange: Exchange) -> None:
    if exchange.expired:
        _expired[exchange.expired] += 1


def parsed(text: str) -> float | None:
    """Seconds: a plain number of them, or as gRPC writes them (`250m`); None for anything else."""
    if _SECONDS.fullmatch(text):
        return float(text)
    grpc = _GRPC.fullmatch(text)
    return int(grpc[1]) * _GRPC_SECONDS[grpc[2]] if grpc else None


def checkpoint() -> None:
    """Call it between the steps of long work: raises Expired when the request's time is over.

    Under WSGI nothing else can stop Python code; under ASGI it is for synchronous code.
    """
    left = remaining()
    if left is not None and left <= 0:
        raise expire("work")


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily("deadline_expired", "Requests whose time was over, by where.", labels=("stage",))
    for stage in STAGES:
        family.add_metric((stage,), _expired[stage])
    yield family
