"""The broker of jobs, as the tests see it."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.chassis import job_queue
from tests.chassis.variables_job_outbox import VARIABLES


@pytest.fixture(scope="session")
def job_broker() -> Iterator[str]:
    """The name of the queue, of which nothing is left behind."""
    parts = urlsplit(job_queue.URL)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or job_queue.USUAL_PORT), 1).close()
    except OSError:
        pytest.skip(job_queue.MISSING)
    name = VARIABLES["JOBS_BROKER_QUEUE"]
    yield name
    with suppress(Exception):
        job_queue.forget(name)
