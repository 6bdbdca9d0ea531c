"""Celery's two ends, without a database: what is sent arrives, worker after worker in one process."""

import asyncio
from collections.abc import Iterator
from ssl import CERT_REQUIRED
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.chassis import settings
from app.chassis.jobs.celery_app import Publisher, verified
from app.chassis.jobs.celery_worker import Over, Worker
from app.chassis.jobs.engine import LEAVE_SECONDS
from tests.chassis import job_queue


@pytest.fixture
def queue(job_broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("JOBS_BROKER_URL", job_queue.URL)
    monkeypatch.setenv("JOBS_BROKER_QUEUE", f"{job_broker}-celery")
    # What Celery reads by itself is somebody else's.
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    settings.forget()
    yield
    monkeypatch.undo()
    settings.forget()
    job_queue.forget(f"{job_broker}-celery")


def test_worker_after_worker_takes_what_is_sent(queue: None) -> None:
    for _ in range(3):
        ids = {uuid4() for _ in range(20)}
        assert asyncio.run(taken(ids)) == ids


def test_what_a_worker_has_not_acknowledged_the_next_one_takes(queue: None) -> None:
    ids = {uuid4() for _ in range(3)}
    assert asyncio.run(taken(ids, acknowledge=False)) == ids
    assert asyncio.run(taken(ids, send=False)) == ids
    more = {uuid4()}
    assert asyncio.run(taken(more)) == more


async def taken(ids: set[UUID], *, send: bool = True, acknowledge: bool = True) -> set[UUID]:
    """What a worker takes until it has as many as these, and has left."""
    loop, enough, found = asyncio.get_running_loop(), asyncio.Event(), set[UUID]()

    def take(job_id: UUID, over: Over) -> None:
        found.add(job_id)
        if acknowledge:
            over()
        if len(found) == len(ids):
            enough.set()

    worker = await asyncio.to_thread(Worker, lambda *given: loop.call_soon_threadsafe(take, *given))
    ended: asyncio.Future[None] = loop.create_future()
    Thread(target=worker.run, args=(loop, ended), daemon=True).start()
    async with asyncio.timeout(20):
        if send:
            await asyncio.to_thread(sent, ids)
        await enough.wait()
    worker.rest()
    worker.leave()
    async with asyncio.timeout(LEAVE_SECONDS):
        await ended
    return found


def sent(ids: set[UUID]) -> None:
    sender = Publisher()
    sender.open()
    sender.send(list(ids))
    sender.close()


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("redis://h/0", None),
        ("amqp://h/", None),
        ("rediss://h/0", {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True}),
        ("amqps://u:p@h:5671/v", {"cert_reqs": CERT_REQUIRED, "server_hostname": "h"}),
    ],
)
def test_the_broker_is_asked_who_it_is(url: str, asked: dict[str, Any] | None) -> None:
    assert verified(url) == asked
