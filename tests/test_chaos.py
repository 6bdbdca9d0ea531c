"""`make chaos` in its short form: what keeps a service up does so, and without it the same run fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos import checks, postgresql
from chaos.rendered import FRAMEWORKS, Fleet

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def fleet(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with postgresql.running() as server:
        yield Fleet(template, tmp_path_factory.mktemp("chaos"), server)


# Some take minutes even so: the other framework is for `make chaos` in full.
LONG = {"events", "jobs"}
CASES = [(check, framework) for check in checks.CHECKS for framework in (FRAMEWORKS[:1] if check in LONG else FRAMEWORKS)]


@pytest.mark.parametrize(("check", "framework"), CASES)
def test_it_holds_and_would_not_without(fleet: Fleet, framework: str, check: str) -> None:
    figures = checks.CHECKS[check](fleet, framework, checks.SHORT)
    assert [figure.row() for figure in figures if not figure.met] == []
    assert [figure.row() for figure in figures if not figure.proven] == [], "reached without the mechanism, too"
