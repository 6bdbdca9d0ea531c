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
# Each starts dozens of processes, of its own framework on its own database with its own broker; nothing else makes a difference.
DOZENS = {
    "events": ["tests/chassis/test_events.py"],
    "jobs": ["tests/chassis/test_jobs.py", "tests/chassis/test_procrastinate_kills.py", "tests/chassis/test_job_outbox.py"],
}


def once_is_enough() -> dict[str, list[str]]:
    """By a row's label the files of DOZENS that rows before it have run on all that makes a difference."""
    seen: set[tuple[str, ...]] = set()
    spared = {}
    for row in (row for row in ROWS if row["python_version"] != "3.14"):
        found = []
        for question, files in DOZENS.items():
            if row[question] == "none":
                continue
            new = {(question, row["framework"], row["database"]), (question, row["framework"], row[question])}
            # What speaks to the broker of jobs is one text for both frameworks.
            new |= {(question, row[question], row["jobs_broker"])} if question == "jobs" else set()
            found += [] if new - seen else files
            seen |= new
        spared[answers.label(row)] = found
    return spared


SPARED = once_is_enough()


@pytest.mark.parametrize("row", ROWS, ids=answers.label)
def test_a_service_passes_its_own_lint_and_tests(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    if services.passed_before(service):
        pytest.skip("rendered as it was when it last passed (delete .cache/passed to run it anyway)")
    slipway.start_history(service)
    services.make(service, "lint", env=env)
    spared = " ".join(f"--ignore={path}" for path in SPARED.get(answers.label(row), ()))
    printed = services.make(service, "test", f"ARGS={spared}", env=env)
    assert " passed" in printed
    if silent := re.search(r"no (\w+) answers", printed):
        raise servers.Missing(f"{silent[1]} does not answer on its usual port: install it, like scripts/install-services.sh does")
    services.passed(service)


@pytest.mark.parametrize("row", answers.apart(), ids=answers.label)
def test_the_features_work_with_answers_that_know_nothing_of_each_other(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    slipway.start_history(service)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    assert " passed" in services.make(service, "test", "ARGS=tests/features", env=env)
