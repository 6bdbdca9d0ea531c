"""For a service's tests: run what is queued."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

RunJobs = Callable[[], list[str]]


@pytest.fixture
def run_jobs(_service: TestClient) -> RunJobs:
    """`run_jobs()` runs what is due, what that enqueues too, and returns the names; what a job raises it raises."""
    portal = _service.portal
    assert portal is not None  # noqa: S101 - this is a test
    return lambda: portal.call(run_due)


async def run_due() -> list[str]:
    from app.chassis.jobs import running, store  # noqa: PLC0415 - the database, which a run that only collects can spare

    ran = []
    while found := await store.due(datetime.now(UTC)):
        for job_id, name in found:
            ended = await running.attempt(job_id)
            if ended.error is not None:
                raise ended.error
            ran.append(name)
    return ran
