"""`make seed`: rows to develop with, once, all or none, and not in production by mistake."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from app.chassis import about, local_server, planting
from app.chassis.pagination import Key, Keyset
from app.chassis.seed import FEATURES, usual_owner
from tests.chassis import planted
from tests.chassis.running import PRODUCTION, ROOT, environment, migrate
from tests.chassis.test_pagination import Rows

NUMBERED = Keyset("rows", Key("id", int))
# With Django it is a command of manage.py, too.
WAYS: Final = (("-m", "app.chassis.seed"), *[("manage.py", "seed")] * (about.FRAMEWORK == "django"))
FOUND: Final = sorted(path.parent.name for path in FEATURES.glob("*/seed.py"))


@pytest.fixture(scope="module")
def fresh() -> Iterator[str]:
    """A database for the command alone."""
    with local_server.test_database(f"test_seed_{os.getpid()}") as url:
        migrate(url)
        yield url


def seeded(url: str, *arguments: str, way: tuple[str, ...] = WAYS[0], **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *way, *arguments],
        cwd=ROOT,
        env=environment() | PRODUCTION | {"DATABASE_URL": url, "ENVIRONMENT": "test"} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_what_it_made_and_makes_it_once(fresh: str) -> None:
    first, second = (seeded(fresh, "--count", "3", way=way) for way in (WAYS[0], WAYS[-1]))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    if not FOUND:
        assert "docs/seeding.md" in first.stdout
        return
    assert [line.partition(":")[0] for line in first.stdout.splitlines() if line.endswith(" made")] == FOUND
    nothing = [f"{one}: 0 made" for one in FOUND]
    assert [line for line in second.stdout.splitlines() if line.endswith(" made")] == nothing
    assert ("docs/seeding.md" in first.stdout) == bool(usual_owner())


def test_production_has_to_be_meant() -> None:
    refused = seeded(environment()["DATABASE_URL"], ENVIRONMENT="production")
    assert refused.returncode == 2
    assert "--production" in refused.stderr


@pytest.mark.parametrize("wrong", [("--count", "-1"), ("--count", "many"), ("--owner", "a b")])
def test_what_makes_no_sense_is_refused(wrong: tuple[str, str]) -> None:
    refused = seeded(environment()["DATABASE_URL"], *wrong)
    assert refused.returncode == 2
    assert wrong[0] in refused.stderr


def test_all_features_or_none(rows: Rows) -> None:
    with pytest.raises(ValueError, match="4 for ada"):
        planting.plant({"rows": planted.seed, "broken": planted.broken}, count=4, owner="ada")
    assert rows.page(NUMBERED, limit=10).items == []
    assert planting.plant({"rows": planted.seed}, count=4, owner="ada") == {"rows": 4}
    assert len(rows.page(NUMBERED, limit=10).items) == 4
