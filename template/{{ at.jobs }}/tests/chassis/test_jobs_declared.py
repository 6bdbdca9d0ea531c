"""What a function has to be to be a job, and what may be enqueued: each refusal with its cure."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import FunctionType
from typing import Any

import pytest
from pydantic import ValidationError

from app.chassis.jobs import GiveUp, job, rows, running, worker
from app.chassis.jobs.declared import declaration, known
from app.chassis.jobs.worker import last_tick
from tests.chassis import trial_jobs, trial_schedule


def test_a_function_that_does_not_say_so_is_no_job() -> None:
    with pytest.raises(ValueError, match=r"is no job: put @job\(\) from app.chassis.jobs right above its def"):
        declaration(trial_jobs.leave)


def test_a_job_has_the_form_of_its_framework() -> None:
    @job()
    def plain(_one: str) -> None: ...

    @job()
    async def asynchronous(*, one: str) -> None: ...

    # Wrong in one way each, whichever framework it is.
    for function in (plain, asynchronous):
        with pytest.raises(ValueError, match="has another form than a job: write it as `"):
            declaration(function)


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ({"retries": -1}, "needs retries of 0 or more"),
        ({"timeout": 0}, "more than 0 seconds for timeout"),
        ({"backoff": 0}, "more than 0 seconds for timeout and backoff"),
        ({"queue": "q" * 65}, "a queue of more than 64"),
        ({"name": "n" * 129}, "say it shorter"),
        ({"unique": "{order_id}"}, "has order_id in its unique key, which it does not take"),
        ({"schedule": "whenever"}, 'write it like "0 3 * * *"'),
        ({"schedule": "0 3 * * *"}, "give each a default"),
    ],
)
def test_what_cannot_be_is_said_with_its_cure(said: dict[str, Any], cure: str) -> None:
    function: Any = trial_jobs.note
    copied = FunctionType(function.__code__, function.__globals__, "note", function.__defaults__)
    copied.__kwdefaults__, copied.__annotations__ = function.__kwdefaults__, function.__annotations__
    with pytest.raises(ValueError) as refusal:
        declaration(job(**said)(copied))
    assert cure in str(refusal.value)


def test_the_jobs_of_the_features_are_found() -> None:
    assert all(one.name == name for name, one in known().items())


def test_arguments_are_checked_when_they_are_enqueued() -> None:
    note = declaration(trial_jobs.note)
    with pytest.raises(ValidationError, match="name"):
        rows.new(note, {}, owner="", carrier={})
    with pytest.raises(ValidationError, match="more"):
        rows.new(note, {"name": "n", "more": 1}, owner="", carrier={})


def test_arguments_that_are_too_large_are_refused() -> None:
    with pytest.raises(rows.PayloadTooLarge, match="store what is large, and enqueue its id"):
        rows.new(declaration(trial_jobs.note), {"name": "n" * 70_000}, owner="", carrier={})


def test_a_result_that_is_too_large_is_a_failure() -> None:
    with pytest.raises(GiveUp, match="store what is large, and return its id"):
        rows.encoded("n" * 2_000_000)


def test_what_failed_can_be_stored() -> None:
    assert rows.for_operators(RuntimeError("a\x00b\ud800")) == "RuntimeError: ab\\ud800"
    assert len(rows.for_operators(RuntimeError("n" * 10_000))) == rows.ERROR_LENGTH


def test_pauses_grow_and_end() -> None:
    failing, now = declaration(trial_jobs.failing), datetime.now(UTC)
    note = declaration(trial_jobs.note)
    pauses = [rows.again_at(note, number, RuntimeError(), now) for number in range(1, 6)]
    assert all(pause is not None for pause in pauses)
    for number, pause in enumerate(pauses, start=1):
        assert pause is not None
        assert timedelta(seconds=2**number) <= pause - now <= timedelta(seconds=2 ** (number + 1))
    patient = replace(note, retries=100)
    late = [rows.again_at(patient, 50, RuntimeError(), now) for _ in range(9)]
    assert len(set(late)) > 1
    assert all(pause is not None and pause - now <= timedelta(seconds=rows.PAUSE_CAP) for pause in late)
    assert rows.again_at(failing, failing.retries + 1, RuntimeError(), now) is None
    assert rows.again_at(failing, 1, GiveUp(), now) is None


def test_a_tick_is_the_same_whenever_one_looks() -> None:
    every, now = declaration(trial_schedule.tick), datetime(2026, 1, 1, tzinfo=UTC)
    looks = [now + timedelta(seconds=step / 4 + 0.1) for step in range(9)]
    ticks = [last_tick(every, look) for look in looks]
    assert len(set(ticks)) == 3
    assert all(timedelta() <= look - tick < timedelta(seconds=1) for look, tick in zip(looks, ticks, strict=True))
    assert {later - sooner for sooner, later in pairwise(sorted(set(ticks)))} == {timedelta(seconds=1)}
    assert rows.scheduled(every, ticks[0])["id"] == rows.scheduled(every, ticks[0])["id"]
    assert rows.scheduled(every, ticks[0])["id"] != rows.scheduled(every, ticks[-1])["id"]


def test_upkeep_that_failed_is_tried_again_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, again = 0, asyncio.Event()

    async def done() -> None: ...

    async def fails_at_first() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("away")
        again.set()

    async def watched() -> None:
        upkeep = asyncio.create_task(worker.keep_up(asyncio.Event()))
        await asyncio.wait_for(again.wait(), 30)
        # Once it went well it has time.
        await asyncio.sleep(0.7)
        upkeep.cancel()

    for chore in ("schedule", "look_up"):
        monkeypatch.setattr(worker, chore, done)
    monkeypatch.setattr(running, "withdraw", done)
    monkeypatch.setattr(worker, "sweep", fails_at_first)
    monkeypatch.setattr(worker, "AGAIN", 0.3)
    asyncio.run(watched())
    assert tries == 2
