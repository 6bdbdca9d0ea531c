"""Workers and the database's connections end all the time, and every job is done once in effect."""

import os
import signal
import time
from itertools import cycle

import psycopg
import pytest

from app.chassis.jobs.engine import conninfo
from tests.chassis.fixtures_jobs import Trial
from tests.chassis.running import eventually

JOBS = 40
BACKENDS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Of a worker that still hears of new jobs and lives on.
SOME = BACKENDS + " AND query NOT ILIKE 'LISTEN%'"


@pytest.mark.beside("jobs")
def test_every_job_is_done_once_whatever_is_killed(trial: Trial) -> None:
    trial.alone()
    names = [f"k{number}" for number in range(JOBS)]
    jobs = [trial.enqueue("slow", name=name, seconds=0.3) for name in names]
    kills = cycle(("", BACKENDS, SOME))
    with psycopg.connect(conninfo(trial.url), autocommit=True) as server:
        for _ in range(3):
            worker = trial.worker(JOBS_STALLED_AFTER="1")
            worker.ready()
            time.sleep(1.0)
            if statement := next(kills):
                server.execute(statement)
                time.sleep(1.0)
            worker.kill()
    trial.standing()
    found = [trial.when(job, "succeeded") for job in jobs]
    assert [trial.notes(name) for name in names] == [1] * JOBS
    # Or nothing was killed in the middle of one.
    assert max(job["attempts"] for job in found) > 1


@pytest.mark.beside("jobs")
def test_a_worker_that_comes_back_late_does_not_end_what_another_one_is_at(trial: Trial) -> None:
    trial.alone()
    sleeper = trial.worker(JOBS_STALLED_AFTER="1")
    job = trial.enqueue("slow", name="late", seconds=6)
    trial.when(job, "running")
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    other = trial.worker(JOBS_STALLED_AFTER="1")
    eventually(lambda: trial.look(job).json()["attempts"] == 2, pause=0.05)
    os.kill(sleeper.process.pid, signal.SIGCONT)
    eventually(lambda: "job.withdrawn" in sleeper.output(), pause=0.05)
    other.kill()
    assert trial.when(job, "succeeded")["attempts"] == 3
    assert trial.notes("late") == 1
    sleeper.stop()


@pytest.mark.beside("jobs")
def test_a_job_whose_end_the_queue_was_not_told_does_not_stay_in_it(trial: Trial) -> None:
    worker = trial.standing()
    with psycopg.connect(conninfo(trial.url), autocommit=True) as server:
        server.execute("ALTER FUNCTION procrastinate_finish_job_v1 RENAME TO procrastinate_finish_job_hidden")
        try:
            job = trial.enqueue("note", name="untold")
            trial.when(job, "succeeded")
            time.sleep(0.5)
            assert len(server.execute("SELECT id FROM procrastinate_jobs").fetchall()) == 1
        finally:
            server.execute("ALTER FUNCTION procrastinate_finish_job_hidden RENAME TO procrastinate_finish_job_v1")
        eventually(lambda: not server.execute("SELECT id FROM procrastinate_jobs").fetchall(), pause=0.1)
    assert worker.process.poll() is None
    assert trial.notes("untold") == 1


@pytest.mark.beside("jobs")
def test_what_has_been_over_for_long_is_forgotten_and_what_is_dead_is_not(trial: Trial) -> None:
    trial.standing()
    done, dead = trial.enqueue("note", name="forgotten"), trial.enqueue("hopeless")
    trial.when(done, "succeeded")
    trial.when(dead, "failed")
    trial.alone()
    with psycopg.connect(conninfo(trial.url), autocommit=True) as server:
        server.execute("UPDATE chassis_jobs SET finished_at = finished_at - interval '8 days'")
    trial.standing()
    eventually(lambda: trial.look(done).status_code == 404, pause=0.1)
    assert trial.look(dead).json()["state"] == "failed"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://a:b@h:1/d", "postgresql://a:b@h:1/d"),
        ("postgres://h/d?ssl=require", "postgresql://h/d?sslmode=require"),
        ("postgresql+asyncpg://h/d?prepared_statement_cache_size=0", "postgresql://h/d"),
    ],
)
def test_the_queue_reads_the_url_of_the_service(url: str, wanted: str) -> None:
    assert conninfo(url) == wanted
