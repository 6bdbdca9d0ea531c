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


@pytest.mark.parametrize("row", ROWS, ids=answers.label)
def test_a_service_passes_its_own_lint_and_tests(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    if services.passed_before(service):
        pytest.skip("rendered as it was when it last passed (delete .cache/passed to run it anyway)")
    slipway.start_history(service)
    services.make(service, "lint", env=env)
    printed = services.make(service, "test", env=env)
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
