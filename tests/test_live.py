"""Rendered services prove themselves: their own lint, types and tests run for real, in every pair of answers.

Of the chassis' tests each file runs where what it asks after meets (tests/sampled.py); `make test PYTEST=--whole` runs all of them
in every row.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import answers
import pytest
import sampled
import servers
import services
import template as slipway

# A suite that fails tries what failed once more by itself (docs/decisions/0010), and is not run as a whole again.
pytestmark = [pytest.mark.slow, pytest.mark.suite, pytest.mark.flaky(reruns=0)]

ROWS = answers.pairwise()
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


Tell = Callable[[str, object], None]


class Proof:
    """A rendered service whose own commands run; what fails at first is told at the end of the run."""

    def __init__(self, template: Path, folder: Path, row: dict[str, Any], tell: Tell) -> None:
        self.service = slipway.render(template, folder, row)
        environment = f"{os.environ.get('PYTEST_XDIST_WORKER', 'here')}-{row['framework']}"
        self.env = services.surroundings(self.service, database=row["database"], python=row["python_version"], environment=environment)
        self.tell = tell
        slipway.start_history(self.service)

    def lint(self) -> None:
        services.make(self.service, "lint", env=self.env)

    def test(self, *paths: str, kind: str = "suite") -> None:
        there = " ".join(path for path in paths if (self.service / path).exists())
        try:
            printed = services.make(self.service, "test", f"ARGS={there}", env=self.env, kind=kind)
        except AssertionError as failed:
            again = f"ARGS=--last-failed --last-failed-no-failures=none {there}"
            # What was skipped for want of a server is told by the first attempt alone.
            printed = str(failed) + services.make(self.service, "test", again, env=self.env, kind=kind)
            self.tell("failed at first", str(failed))
        assert " passed" in printed
        if silent := re.search(r"no (\w+) answers", printed):
            raise servers.Missing(f"{silent[1]} does not answer on its usual port: install it, like scripts/install-services.sh does")


Prove = Callable[[dict[str, Any]], Proof]


@pytest.fixture
def prove(template: Path, tmp_path: Path, record_property: Tell) -> Prove:
    return lambda row: Proof(template, tmp_path / "orders", row, record_property)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[answers.label(row) for row in ROWS])
def test_a_service_passes_its_own_lint_and_tests(prove: Prove, number: int, pytestconfig: pytest.Config) -> None:
    proof = prove(ROWS[number])
    proof.lint()
    if pytestconfig.getoption("whole"):
        proof.test("tests")
    else:
        proof.test("tests/features", *sampled.files()[number])


@pytest.mark.parametrize("row", OF_DOZENS, ids=answers.label)
def test_events_and_jobs_survive_what_ends_their_processes(prove: Prove, row: dict[str, Any]) -> None:
    prove(row).test(*(f"tests/chassis/{name}" for name in sorted(sampled.DOZENS)))


@pytest.mark.parametrize("row", answers.apart(), ids=answers.label)
def test_the_features_work_with_answers_that_know_nothing_of_each_other(prove: Prove, row: dict[str, Any]) -> None:
    prove(row).test("tests/features", kind="features")


def test_every_test_of_the_chassis_runs_in_a_row_of_each_framework() -> None:
    for framework in answers.choices()["framework"]:
        numbers = [number for number, row in enumerate(ROWS) if row["framework"] == framework]
        rendered = set().union(*(sampled.rows()[number][1] for number in numbers))
        assert rendered == {path for number in numbers for path in sampled.files()[number]}
