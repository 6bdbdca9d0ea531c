"""Rendered services prove themselves: their own lint, types and tests run for real, under every framework and database."""

from pathlib import Path
from typing import Any

import answers
import pytest
import services
import template as slipway

pytestmark = pytest.mark.slow

BASES = [
    answers.defaults() | {"framework": framework, "database": database}
    for framework in answers.choices()["framework"]
    for database in answers.choices()["database"]
]
ROWS = answers.every_pair(BASES)


@pytest.mark.parametrize("row", ROWS, ids=answers.label)
def test_a_service_passes_its_own_lint_and_tests(template: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", row)
    env = services.surroundings(service, database=row["database"], python=row["python_version"])
    if services.passed_before(service):
        pytest.skip("rendered as it was when it last passed (delete .cache/passed to run it anyway)")
    slipway.start_history(service)
    assert " passed" in services.make(service, "--keep-going", "lint", "test", env=env)
    services.passed(service)
