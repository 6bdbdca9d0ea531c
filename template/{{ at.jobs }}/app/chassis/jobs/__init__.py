"""Jobs: work that nobody waits for, enqueued in the transaction that wants it and done once in effect."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.chassis import readiness
from app.chassis.background import Check, Loop
from app.chassis.jobs.declared import GiveUp, job
from app.chassis.settings import BaseSettings

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["GiveUp", "job"]


class Settings(BaseSettings):
    jobs_concurrency: int = Field(5, ge=1, le=512, description="Jobs that one worker runs at a time.", examples=["5"])
    jobs_payload_limit: int = Field(
        65_536, ge=1, le=1_048_576, description="Most bytes of a job's arguments.", examples=["65536"]
    )
    jobs_result_limit: int = Field(
        1_048_576, ge=1, le=104_857_600, description="Most bytes of what a job returns.", examples=["1048576"]
    )
    jobs_stalled_after: float = Field(
        60.0,
        ge=1,
        le=86_400,
        description="Seconds without a sign of life after which a worker's jobs are taken up by others.",
        examples=["60"],
    )
    jobs_keep: int = Field(
        604_800, ge=3600, le=315_360_000, description="Seconds that a finished job is remembered.", examples=["604800"]
    )


# -- what the part brings ----------------------------------------------------------------------------------------------


def background() -> dict[str, Loop]:
    return {"worker": work}


async def work(stop: asyncio.Event) -> None:
    from app.chassis.jobs import worker  # noqa: PLC0415 - the framework is there by now

    await worker.work(stop)


def loop_checks() -> dict[str, Check]:
    return {"worker": check_worker}


def check_worker() -> None:
    """Raises NotReady."""
    from app.chassis.jobs import delivery  # noqa: PLC0415 - as above

    if not delivery.connected():
        raise readiness.NotReady("the worker has no connection to its queue")


def routers() -> list[Any]:
    from app.chassis.jobs.api import router  # noqa: PLC0415 - as above

    return [router]


def check_routes() -> None:
    """Called when the service is loaded. Raises ValueError for a job that cannot be one."""
    from app.chassis.jobs.declared import known  # noqa: PLC0415 - which imports the features

    known()


# -- what is counted ---------------------------------------------------------------------------------------------------

enqueued: Counter[tuple[str, str]] = Counter()
"""By name, and whether it was new or there already."""
taken_up: Counter[str] = Counter()
"""Attempts whose worker was lost, by name."""
waiting: dict[str, tuple[int, float]] = {}
"""Of each queue how many are due, and for how many seconds the oldest of them has been; a worker looks it up."""
dead: dict[str, int] = {}
"""How many are dead, by name; a worker looks it up."""


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - until somebody scrapes

    counted = CounterMetricFamily("jobs_enqueued", "Jobs that were enqueued.", labels=("name", "outcome"))
    for labels, number in list(enqueued.items()):
        counted.add_metric(labels, number)
    yield counted
    again = CounterMetricFamily("jobs_taken_up_again", "Attempts that a lost worker had begun.", labels=("name",))
    for name, number in list(taken_up.items()):
        again.add_metric((name,), number)
    yield again
    depth = GaugeMetricFamily("jobs_queued", "Jobs that are due and wait.", labels=("queue",))
    age = GaugeMetricFamily("jobs_oldest_ready_seconds", "How long the oldest has been due.", labels=("queue",))
    for queue, (number, seconds) in list(waiting.items()):
        depth.add_metric((queue,), number)
        age.add_metric((queue,), seconds)
    yield depth
    yield age
    letters = GaugeMetricFamily("jobs_dead", "Jobs that failed for good.", labels=("name",))
    for name, number in list(dead.items()):
        letters.add_metric((name,), number)
    yield letters
