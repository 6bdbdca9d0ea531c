"""Background loops: a process of their own that starts, stops and fails as a service does; measured work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chassis import background, work
from app.chassis.exchange import Exchange, current
from tests.chassis.collector import Collector
from tests.chassis.outage import free_port
from tests.chassis.running import ROOT, Service, eventually


class Loops(Service):
    """A process of the loops in tests/chassis/looping.py."""

    module = "tests.chassis.looping"


@pytest.fixture
def loops(tmp_path: Path, traces: Collector) -> Iterator["Loops"]:
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    made = Loops(tmp_path, whole=True, MANAGEMENT_PORT=str(free_port()), OTEL_TRACES_SAMPLER_ARG="1", **tracing)
    yield made
    made.stop()


def test_a_process_of_loops_is_probed_and_measured_and_stops_in_order(loops: Loops, traces: Collector) -> None:
    loops.ready()
    assert eventually(lambda: loops.metric("background_duration_seconds_count", kind="tick", outcome="done"))
    line = eventually(lambda: loops.lines(event="tick.done"))[0]
    assert (line["name"], line["request_id"]) == ("looping", "who-asked")
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    span = eventually(lambda: traces.known(line["trace_id"]))[0]
    assert (span.name, span.kind) == ("tick looping", "CONSUMER")
    loops.terminate()
    assert loops.exit_status() == 0
    # What had begun was finished.
    assert loops.lines(event="looping.finished")
    assert loops.lines(event="background.stopped")


def test_a_loop_that_ends_ends_the_process(loops: Loops) -> None:
    loops.ready()
    (loops.folder / "fail").touch()
    assert loops.exit_status() == background.ENDED
    assert loops.lines(event="background.ended", loop="looping")


def test_a_stop_during_the_start_is_a_stop(tmp_path: Path) -> None:
    made = Loops(tmp_path, whole=True)
    eventually(lambda: made.lines(event="background.started"), pause=0.001)
    os.kill(made.process.pid, signal.SIGTERM)
    assert made.exit_status() == 0
    made.stop()


def test_a_name_that_is_none_says_which_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.chassis.background", "nonsense"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("No background loop is called nonsense: there is ")


def test_a_port_that_is_taken_stops_the_start(loops: Loops) -> None:
    loops.ready()
    env = {**loops.env, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", Loops.module], cwd=loops.folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("MANAGEMENT_PORT: cannot listen on 127.0.0.1:")


def test_the_web_process_runs_loops_in_development_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def inside(environment: str, value: str) -> tuple[str, ...]:
        monkeypatch.setenv("ENVIRONMENT", environment)
        monkeypatch.setenv("BACKGROUND", value)
        return background.Settings().inside

    assert inside("development", "") == ("all",)
    assert inside("development", "none") == ("none",)
    assert inside("production", "") == ("none",)
    assert inside("production", "relay, consumer") == ("relay", "consumer")


def test_work_that_fails_says_so_and_leaves_nothing_behind() -> None:
    seen: list[Exchange | None] = []

    def fail() -> None:
        with work.unit("tick", "failing"):
            seen.append(current.get())
            raise ValueError("told to")

    with pytest.raises(ValueError, match="told to"):
        fail()
    (one,) = seen
    assert isinstance(one, work.Work)
    assert (one.outcome, one.status) == ("failed", 500)
    assert current.get() is None
