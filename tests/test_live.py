"""Rendered services prove themselves: their own lint, types and tests run for real, in every pair of answers."""

import re
from pathlib import Path
from typing import Any

import answers
import pytest
import servers
import services
import template as slipway

pytestmark = [pytest.mark.slow, pytest.mark.suite]

ROWS = answers.pairwise()
# Each starts dozens of processes and takes as long as all the rest of a suite: they have rows of their own, of what makes a difference.
DOZENS = ["test_events.py", "test_jobs.py", "test_job_outbox.py", "test_procrastinate_kills.py"]
OF_DOZENS = answers.meeting(
    ("framework", "database"),
    ("framework", "events"),
    ("framework", "jobs"),
    ("database", "jobs"),
    # What speaks to the broker of jobs is one text for both frameworks.
    ("jobs", "jobs_broker"),
    asked={
        name: [answer for answer in answers.choices()[name] if answer != "none" or name == "jobs_broker"]
        for name in ("framework", "database", "jobs", "jobs_broker", "events")
    },
)


@pytest.mark.parametrize("row", ROWS, ids=answers.label)
def test_a_service_passes_its_own_lint_and_tests(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    if services.passed_before(service):
        pytest.skip("rendered as it was when it last passed (delete .cache/passed to run it anyway)")
    slipway.start_history(service)
    services.make(service, "lint", env=env)
    spared = " ".join(f"--ignore=tests/chassis/{name}" for name in DOZENS)
    printed = services.make(service, "test", f"ARGS={spared}", env=env)
    assert " passed" in printed
    if silent := re.search(r"no (\w+) answers", printed):
        raise servers.Missing(f"{silent[1]} does not answer on its usual port: install it, like scripts/install-services.sh does")
    services.passed(service)


@pytest.mark.parametrize("row", OF_DOZENS, ids=answers.label)
def test_events_and_jobs_survive_what_ends_their_processes(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    slipway.start_history(service)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    here = " ".join(f"tests/chassis/{name}" for name in DOZENS if (service / "tests/chassis" / name).exists())
    printed = services.make(service, "test", f"ARGS={here}", env=env)
    assert " passed" in printed
    if silent := re.search(r"no (\w+) answers", printed):
        raise servers.Missing(f"{silent[1]} does not answer on its usual port: install it, like scripts/install-services.sh does")


@pytest.mark.parametrize("row", answers.apart(), ids=answers.label)
def test_the_features_work_with_answers_that_know_nothing_of_each_other(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    slipway.start_history(service)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    assert " passed" in services.make(service, "test", "ARGS=tests/features", env=env, kind="features")
