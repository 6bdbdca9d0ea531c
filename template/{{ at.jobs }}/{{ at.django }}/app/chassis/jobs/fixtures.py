"""For a service's tests: run what is queued."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

RunJobs = Callable[[], list[str]]


@pytest.fixture
def run_jobs(db: None) -> RunJobs:  # noqa: ARG001 - the test's transaction
    """`run_jobs()` runs what is due, what that enqueues too, and returns the names; what a job raises it raises."""
    from app.chassis.jobs import threads  # noqa: PLC0415 - Django is set up by now

    return lambda: threads.run_here(run_due())


async def run_due() -> list[str]:
    from app.chassis.jobs import running, store  # noqa: PLC0415 - as above

    ran = []
    while found := await store.ask(store.due, datetime.now(UTC)):
        for job_id, name in found:
            ended = await running.attempt(job_id)
            if ended.error is not None:
                raise ended.error
            ran.append(name)
    return ran
