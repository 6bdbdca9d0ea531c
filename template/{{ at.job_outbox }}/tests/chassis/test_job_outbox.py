"""The table decides, the broker only wakes: whatever a broker loses, doubles or makes of it, each job is done once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import pytest

from tests.chassis import job_queue
from tests.chassis.fixtures_jobs import Trial, Worker
from tests.chassis.outage import Proxy
from tests.chassis.running import called, eventually
from tests.chassis.variables_job_outbox import VARIABLES

pytestmark = pytest.mark.beside("jobs")
names = (f"o{number}" for number in count())


Hire = Callable[..., Worker]


@contextmanager
def hiring(trial: Trial) -> Iterator[Hire]:
    """Workers beside no other, which end in order with the block; those that were killed have ended."""
    trial.alone()
    made: list[Worker] = []

    def hire(**env: str) -> Worker:
        made.append(trial.worker(**env))
        return made[-1]

    try:
        yield hire
    finally:
        left = [worker for worker in made if worker.process.poll() is None]
        for worker in left:
            worker.terminate()
        ends = [worker.exit_status() for worker in left]
    assert not any(ends), ends


def publish(trial: Trial, ids: list[str], times: int) -> None:
    """What the dispatcher does."""
    called("tests.chassis.publishing", str(times), *ids, DATABASE_URL=trial.url, **VARIABLES)


def succeeded(trial: Trial, jobs: list[str]) -> list[dict[str, Any]]:
    return [trial.when(job, "succeeded") for job in jobs]


def test_jobs_are_enqueued_without_a_broker_and_done_when_it_is_back(trial: Trial) -> None:
    with hiring(trial) as hire:
        proxy = Proxy(job_queue.URL)
        worker = hire(JOBS_BROKER_URL=proxy.url, JOBS_STALLED_AFTER="2")
        name = next(names)
        # Away when the worker starts, and once more while it runs.
        for _ in range(2):
            eventually(lambda: says_that_it_is_away(worker), pause=0.2)
            job = trial.enqueue("note", name=name)
            time.sleep(0.5)
            assert trial.look(job).json()["state"] == "queued"
            proxy.end()
            trial.when(job, "succeeded")
            eventually(lambda: worker.probe("/readyz") == 200, pause=0.2)
            proxy.begin()
        assert trial.notes(name) == 2


def says_that_it_is_away(worker: Worker) -> bool:
    """Its probe says so, and what it has logged about it."""
    if worker.probe("/readyz") != 503:
        return False
    changes = worker.lines(event="readiness.changed")
    return bool(changes) and "no connection to its queue" in str(changes[-1]["failing"])


def test_what_could_not_be_sent_is_sent_as_soon_as_it_can_be(trial: Trial) -> None:
    with hiring(trial) as hire:
        proxy = Proxy(job_queue.URL)
        proxy.end()
        worker = hire(JOBS_BROKER_URL=proxy.url)
        worker.ready()
        proxy.begin()
        name = next(names)
        job = trial.enqueue("note", name=name)
        eventually(lambda: worker.lines(event="jobs.not_delivered"))
        proxy.end()
        # Long before JOBS_STALLED_AFTER is over.
        trial.when(job, "succeeded")
        assert trial.notes(name) == 1


def test_what_the_broker_loses_is_done_all_the_same(trial: Trial, job_broker: str) -> None:
    with hiring(trial) as hire:
        hire(JOBS_STALLED_AFTER="2", JOBS_CONCURRENCY="1")
        first = trial.enqueue("slow", name=next(names), seconds=5)
        trial.when(first, "running")
        name = next(names)
        jobs = [trial.enqueue("note", name=name) for _ in range(15)]
        time.sleep(0.8)
        assert trial.notes(name) == 0
        job_queue.lose(job_broker)
        succeeded(trial, [first, *jobs])
        assert trial.notes(name) == 15


def test_what_waits_is_counted(trial: Trial) -> None:
    with hiring(trial) as hire:
        worker = hire(JOBS_CONCURRENCY="1")
        slow = trial.enqueue("slow", name=next(names), seconds=30)
        trial.when(slow, "running")
        jobs = [trial.enqueue("note", name=next(names)) for _ in range(3)]
        eventually(lambda: worker.metric("jobs_queued", queue="default") == 3, pause=0.2)
        assert worker.metric("jobs_oldest_ready_seconds", queue="default") > 0
        trial.cancel(slow)
        succeeded(trial, jobs)
        eventually(lambda: worker.metric("jobs_queued", queue="default") == 0, pause=0.2)


def test_an_attempt_that_cannot_begin_is_made_soon(trial: Trial) -> None:
    with hiring(trial) as hire:
        worker = hire(trial="trial_jobs trial_trouble")
        worker.ready()
        (worker.folder / "cannot-begin").touch()
        name = next(names)
        # Long before JOBS_STALLED_AFTER is over.
        trial.when(trial.enqueue("note", name=name), "succeeded")
        assert worker.lines(event="jobs.attempt_lost")
        assert trial.notes(name) == 1


def test_what_the_broker_has_thrice_is_done_once(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    jobs = [trial.enqueue("note", name=name) for _ in range(5)]
    worker = trial.standing()
    worker.ready()
    slow = trial.enqueue("slow", name=name, seconds=2)
    trial.when(slow, "running")
    publish(trial, [slow, *jobs], times=3)
    found = succeeded(trial, [slow, *jobs])
    assert trial.notes(name) == 6
    assert {job["attempts"] for job in found} == {1}


def test_what_is_no_id_is_dropped(trial: Trial, job_broker: str) -> None:
    worker = trial.standing()
    worker.ready()
    job_queue.send(job_broker, b"{}", b"\xff", b"a job")
    name = next(names)
    trial.when(trial.enqueue("note", name=name), "succeeded")
    eventually(lambda: len(worker.lines(event="jobs.malformed")) >= 3)
    assert worker.process.poll() is None


def test_every_job_is_done_once_whatever_ends(trial: Trial) -> None:
    with hiring(trial) as hire:
        proxy = Proxy(job_queue.URL)
        proxy.end()
        its = [next(names) for _ in range(80)]
        jobs = [trial.enqueue("slow", name=name, seconds=0.3) for name in its]
        cut = cycle((False, True))
        for _ in range(4):
            worker = hire(JOBS_STALLED_AFTER="1", JOBS_BROKER_URL=proxy.url)
            worker.ready()
            time.sleep(1.0)
            if next(cut):
                proxy.begin()
                proxy.end()
                time.sleep(1.0)
            worker.kill()
        proxy.begin()
        # All may be done by now: one that is told to stop before it has begun does not do so in order.
        trial.standing().ready()
        found = succeeded(trial, jobs)
        assert [trial.notes(name) for name in its] == [1] * len(its)
        # Or nothing was killed in the middle of one.
        assert max(job["attempts"] for job in found) > 1


def test_a_job_whose_worker_ends_between_its_effect_and_its_mark_has_one_effect(trial: Trial) -> None:
    with hiring(trial) as hire:
        first = hire(trial="trial_jobs trial_killed", JOBS_STALLED_AFTER="1")
        (first.folder / "killed-at-the-mark").touch()
        name = next(names)
        job = trial.enqueue("note", name=name)
        first.exit_status()
        trial.standing()
        assert trial.when(job, "succeeded")["attempts"] == 2
        assert trial.notes(name) == 1


def test_a_job_that_takes_longer_than_a_sign_of_life_stays_with_its_worker(trial: Trial) -> None:
    with hiring(trial) as hire:
        for _ in range(2):
            hire(JOBS_STALLED_AFTER="2").ready()
        name = next(names)
        job = trial.enqueue("slow", name=name, seconds=5)
        assert trial.when(job, "succeeded")["attempts"] == 1
        assert trial.notes(name) == 1


def test_what_another_queue_has_left_is_taken_up(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    job = trial.enqueue("note", name=name)
    assert trial.service.http.put("/probe/orphans").status_code == 204
    trial.standing()
    trial.when(job, "succeeded")
    assert trial.notes(name) == 1


def test_what_runs_in_another_queue_is_taken_up_when_its_worker_is_gone(trial: Trial) -> None:
    with hiring(trial) as hire:
        first = hire(JOBS_STALLED_AFTER="1")
        job = trial.enqueue("slow", name=next(names), seconds=4)
        trial.when(job, "running")
        first.kill()
        assert trial.service.http.put("/probe/orphans").status_code == 204
        trial.standing()
        assert trial.when(job, "succeeded")["attempts"] == 2


def test_a_job_of_somebody_whose_clock_is_ahead_is_done(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    job = trial.enqueue("note", name=name)
    assert trial.service.http.put("/probe/early-jobs").status_code == 204
    trial.standing()
    trial.when(job, "succeeded")
    assert trial.notes(name) == 1


def test_without_the_address_of_a_broker_jobs_are_done_in_development_alone(trial: Trial) -> None:
    with hiring(trial) as hire:
        refused = hire(JOBS_BROKER_URL="")
        assert refused.exit_status() == 2
        assert "JOBS_BROKER_URL: is missing" in refused.output()
        hire(JOBS_BROKER_URL="", ENVIRONMENT="development")
        name = next(names)
        jobs = [trial.enqueue("slow", name=name, seconds=0.5) for _ in range(8)]
        found = succeeded(trial, jobs)
        assert trial.notes(name) == 8
        assert {job["attempts"] for job in found} == {1}


def test_the_address_of_something_else_is_refused(trial: Trial) -> None:
    refused = trial.worker(JOBS_BROKER_URL="kafka://localhost")
    assert refused.exit_status() == 2
    assert "JOBS_BROKER_URL: is for no " in refused.output()
