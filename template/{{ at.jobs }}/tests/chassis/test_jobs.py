"""Jobs: enqueued with the write, done once in effect whatever ends their worker, and what their owner sees of them."""

import time
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from tests.chassis.fixtures_jobs import Trial
from tests.chassis.outage import Proxy
from tests.chassis.running import eventually, has

pytestmark = pytest.mark.beside("jobs")
names = (f"n{number}" for number in count())


def passed(trial: Trial) -> None:
    """Whatever was enqueued before has had its turn."""
    trial.when(trial.enqueue("note", name="passed"), "succeeded")


# -- with the write


def test_a_job_is_done_and_its_result_shown(trial: Trial) -> None:
    trial.standing()
    name = next(names)
    reply = trial.post("note", {"name": name})
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/v1/jobs/{reply.json()['id']}"
    assert int(reply.headers["retry-after"]) > 0
    found = trial.when(reply.json()["id"], "succeeded")
    assert (found["result"], found["attempts"], found["error"]) == ({"noted": name}, 1, None)
    assert found["created_at"] <= found["started_at"] <= found["finished_at"]
    assert trial.notes(name) == 1
    assert "retry-after" not in trial.look(found["id"]).headers


def test_a_transaction_that_fails_takes_its_job_along(trial: Trial) -> None:
    trial.standing()
    name = next(names)
    assert trial.post("note", {"name": name}, fails="yes").status_code == 500
    passed(trial)
    assert trial.notes(name) == 0


def test_without_a_transaction_nothing_is_enqueued(trial: Trial) -> None:
    assert "a job is enqueued in a transaction: " in trial.service.http.post("/probe/stray-jobs").json()


def test_what_waits_with_a_unique_key_is_there_once(trial: Trial) -> None:
    trial.alone()
    key = next(names)
    first, second = trial.enqueue("single", key=key), trial.enqueue("single", key=key)
    assert first == second
    assert trial.enqueue("single", key=key + "x") != first
    trial.standing()
    trial.when(first, "succeeded")
    assert trial.notes(key) == 1
    again = trial.enqueue("single", key=key)
    assert again != first
    trial.when(again, "succeeded")


# -- what fails


def test_a_job_that_always_fails_is_dead_in_the_end_and_the_others_go_on(trial: Trial) -> None:
    trial.standing()
    name = next(names)
    job = trial.enqueue("failing", name=name)
    passed(trial)
    found = trial.when(job, "failed")
    assert (found["attempts"], found["error"]) == (3, "The job failed.")
    assert trial.notes(name) == 0
    # What the owner is not told the operator is, but no secret.
    letters = trial.manage("dead")
    assert f"{job}  failed     trial_jobs.failing  attempts: 3" in letters
    assert "RuntimeError: password=[redacted]" in letters


def test_a_dead_job_is_replayed_or_dropped(trial: Trial) -> None:
    trial.standing()
    job = trial.enqueue("hopeless")
    assert trial.when(job, "failed")["attempts"] == 1
    before = trial.look(job).json()["finished_at"]
    assert trial.manage("replay", job) == "1 enqueued anew\n"
    eventually(lambda: (trial.look(job).json()["finished_at"] or before) > before, pause=0.05)
    assert trial.when(job, "failed")["attempts"] == 1
    assert trial.manage("drop", job) == "1 deleted\n"
    assert trial.look(job).status_code == 404
    with pytest.raises(AssertionError, match="none of these is dead"):
        trial.manage("drop", job)


def test_a_job_whose_code_is_gone_is_dead_until_it_is_back(trial: Trial) -> None:
    trial.standing()
    name = next(names)
    job = trial.enqueue("gone", name=name)
    assert trial.when(job, "failed")["attempts"] == 1
    assert "there is no job trial.gone: deploy the code" in trial.manage("dead")
    passed(trial)
    trial.alone()
    newer = trial.worker(trial="trial_gone")
    assert trial.manage("replay", job) == "1 enqueued anew\n"
    trial.when(job, "succeeded")
    assert trial.notes(name) == 1
    newer.terminate()
    assert newer.exit_status() == 0


def test_arguments_that_do_not_fit_any_more_are_dead(trial: Trial) -> None:
    trial.standing()
    job = trial.enqueue("unchanged", name=next(names))
    assert trial.when(job, "failed")["attempts"] == 1
    assert "does not fit the function any more" in trial.manage("dead")


def test_a_job_that_takes_too_long_is_stopped_and_tried_again(trial: Trial) -> None:
    trial.standing()
    name = next(names)
    job = trial.enqueue("late", name=name)
    assert trial.when(job, "failed")["attempts"] == 2
    assert "it took longer than its timeout of 0.3 s" in trial.manage("dead")
    passed(trial)
    time.sleep(1.5)
    assert trial.notes(name) == 0


# -- its owner


def test_progress_is_shown_while_it_runs(trial: Trial) -> None:
    trial.standing()
    job = trial.enqueue("slow", name=next(names), seconds=3)
    seen: int = eventually(lambda: (trial.look(job).json()["progress"] or {"done": 0})["done"])
    assert 0 < seen < 100
    assert "retry-after" in trial.look(job).headers
    assert trial.when(job, "succeeded")["progress"] == {"done": 99, "total": 100}


def test_a_job_that_waits_is_cancelled_and_never_runs(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    job = trial.enqueue("note", name=name)
    assert trial.cancel(job).json()["state"] == "cancelled"
    assert trial.cancel(job).status_code == 200
    trial.standing()
    passed(trial)
    assert trial.notes(name) == 0
    assert trial.look(job).json()["attempts"] == 0


@pytest.mark.parametrize("kind", ["slow", "silent"])
def test_a_job_that_runs_is_cancelled_and_makes_room(trial: Trial, kind: str) -> None:
    trial.alone()
    only = trial.worker(JOBS_CONCURRENCY="1")
    name = next(names)
    job = trial.enqueue(kind, name=name, seconds=60)
    trial.when(job, "running")
    assert trial.cancel(job).json()["state"] == "cancelled"
    passed(trial)
    assert trial.notes(name) == 0
    assert eventually(lambda: only.lines(event="job.withdrawn"))
    only.terminate()
    assert only.exit_status() == 0


def test_what_is_over_is_not_cancelled(trial: Trial) -> None:
    trial.standing()
    job = trial.enqueue("note", name=next(names))
    trial.when(job, "succeeded")
    assert trial.cancel(job).status_code == 409


@pytest.mark.skipif(not has("authentication"), reason="everybody is the same")
def test_nobody_meets_the_jobs_of_others(trial: Trial) -> None:
    job = trial.enqueue("note", name=next(names))
    assert trial.look(job, who="bob").status_code == 404
    assert trial.cancel(job, who="bob").status_code == 404
    assert trial.service.http.get(f"/v1/jobs/{job}").status_code == 401


def test_a_job_that_nobody_knows_is_not_found(trial: Trial) -> None:
    assert trial.look(str(uuid4())).status_code == 404
    assert trial.cancel(str(uuid4())).status_code == 404


# -- what ends a worker


def test_a_worker_that_is_stopped_leaves_nothing_undone(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    jobs = [trial.enqueue("slow", name=name, seconds=0.2) for _ in range(100)]
    first = trial.worker()
    eventually(lambda: trial.notes(name) > 10, pause=0.05)
    first.terminate()
    assert first.exit_status() == 0, first.output()
    assert trial.notes(name) < 100
    trial.standing()
    found = [trial.when(job, "succeeded") for job in jobs]
    assert trial.notes(name) == 100
    # What had begun was finished, and not returned.
    assert {line["event"] for line in first.lines() if line["event"].startswith("job.")} == {"job.done"}
    assert {job["attempts"] for job in found} == {1}


def test_a_worker_that_is_stopped_returns_what_takes_too_long(trial: Trial) -> None:
    trial.alone()
    job = trial.enqueue("slow", name=next(names), seconds=60)
    first = trial.worker(SHUTDOWN_TIMEOUT="3")
    trial.when(job, "running")
    first.terminate()
    assert first.exit_status() == 0, first.output()
    found = trial.look(job).json()
    assert (found["state"], found["attempts"]) == ("queued", 0)
    assert {line["event"] for line in first.lines() if line["event"].startswith("job.")} == {"job.returned"}
    trial.cancel(job)


def test_a_worker_that_is_killed_has_its_jobs_taken_up_by_others(trial: Trial) -> None:
    trial.alone()
    name = next(names)
    jobs = [trial.enqueue("slow", name=name, seconds=2) for _ in range(5)]
    first = trial.worker(JOBS_STALLED_AFTER="1")
    for job in jobs:
        trial.when(job, "running")
    first.kill()
    second = trial.standing()
    found = [trial.when(job, "succeeded") for job in jobs]
    assert trial.notes(name) == 5
    assert {job["attempts"] for job in found} == {2}
    assert second.metric("jobs_taken_up_again_total", name="trial_jobs.slow") == 5


def test_a_worker_sits_out_an_outage_of_the_database(trial: Trial) -> None:
    if trial.url.startswith("sqlite"):
        pytest.skip("a file does not go away")
    trial.alone()
    proxy = Proxy(trial.url)
    proxy.end()
    worker = trial.worker(DATABASE_URL=proxy.url, JOBS_STALLED_AFTER="1")
    assert worker.management.get("/readyz").json()["checks"]["worker"] == "ok"
    proxy.begin()
    eventually(lambda: worker.probe("/readyz") == 503, pause=0.2)
    name = next(names)
    job = trial.enqueue("note", name=name)
    proxy.end()
    trial.when(job, "succeeded")
    assert trial.notes(name) == 1
    eventually(lambda: worker.probe("/readyz") == 200, pause=0.2)
    worker.terminate()
    assert worker.exit_status() == 0
    proxy.begin()


def test_a_worker_is_not_ready_before_it_has_its_queue(trial: Trial) -> None:
    worker = trial.worker(trial="trial_jobs trial_late").alive()
    # Under FastAPI nobody is answered while it imports them but that its loop does not run.
    assert "worker" in eventually(lambda: worker.management.get("/readyz").json()["checks"].keys() - {"event_loop"})


def test_a_job_that_kills_its_worker_each_time_is_dead(trial: Trial) -> None:
    trial.alone()
    job = trial.enqueue("deadly")
    for _ in range(2):
        victim = trial.worker(JOBS_STALLED_AFTER="1")
        victim.exit_status()
    trial.standing()
    assert trial.when(job, "failed")["attempts"] == 3
    assert "the worker was lost at every attempt" in trial.manage("dead")


def test_cron_has_each_tick_run_once_however_many_workers_there_are(trial: Trial) -> None:
    trial.alone()
    workers = [trial.worker(trial="trial_schedule") for _ in range(4)]
    for worker in workers:
        worker.ready()
    before, began = trial.notes("tick"), time.monotonic()
    time.sleep(4)
    ticks, seconds = trial.notes("tick") - before, time.monotonic() - began
    assert seconds - 2 <= ticks <= seconds + 2
    for worker in workers:
        worker.terminate()
        assert worker.exit_status() == 0


# -- what is seen of it


def test_a_job_belongs_to_the_request_that_enqueued_it(trial: Trial) -> None:
    worker = trial.standing()
    parent = f"00-{uuid4().hex}-b7ad6b7169203331-01"
    reply = trial.post("note", {"name": next(names)}, traceparent=parent, **{"x-request-id": "who-asked"})
    trial.when(reply.json()["id"], "succeeded")
    (line,) = eventually(lambda: worker.lines(event="job.done", request_id="who-asked"))
    assert line["name"] == "trial_jobs.note"
    assert line["trace_id"] == parent.split("-")[1]


def test_figures_say_what_waits_and_what_is_dead(trial: Trial) -> None:
    worker = trial.standing()
    trial.when(trial.enqueue("hopeless"), "failed")
    eventually(lambda: worker.metric("jobs_dead", name="trial_jobs.hopeless") > 0, pause=0.2)
    eventually(lambda: worker.metric("background_duration_seconds_count", kind="job", outcome="dead") > 0, pause=0.2)
    assert trial.service.metric("jobs_enqueued_total", name="trial_jobs.hopeless", outcome="new") > 0


def test_what_nobody_asks_about_is_forgotten_and_what_is_dead_is_not(trial: Trial) -> None:
    trial.standing()
    done, dead = trial.enqueue("note", name=next(names)), trial.enqueue("hopeless")
    trial.when(done, "succeeded")
    trial.when(dead, "failed")
    trial.alone()
    assert trial.service.http.put("/probe/old-jobs").status_code == 204
    young = trial.enqueue("note", name=next(names))
    worker = trial.worker(JOBS_KEEP="3600")
    worker.ready()
    eventually(lambda: trial.look(done).status_code == 404, pause=0.1)
    trial.when(young, "succeeded")
    trial.when(dead, "failed")
    worker.terminate()
    assert worker.exit_status() == 0


def test_the_command_counts(trial: Trial) -> None:
    trial.standing()
    trial.when(trial.enqueue("note", name=next(names)), "succeeded")
    counted: list[Any] = [line.split() for line in trial.manage("count").splitlines()]
    assert [name for _, state, name in counted if state == "succeeded" and name == "trial_jobs.note"]
