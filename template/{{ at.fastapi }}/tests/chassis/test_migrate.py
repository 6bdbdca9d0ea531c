"""Migrations: applied once however many replicas start, true to the models, and waited for."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app.chassis import migrate, revisions, settings
from tests.chassis.forked import Forked
from tests.chassis.running import eventually

REPLICAS = 4
REVISIONS = revisions.known()


def migrate_at_once(url: str) -> list[int | None]:
    """The exit statuses of all replicas, each a process of its own."""
    replicas = [Forked(replica, url) for _ in range(REPLICAS)]
    eventually(lambda: None not in [process.poll() for process in replicas], seconds=60)
    return [process.poll() for process in replicas]


def replica(url: str) -> None:
    os.environ |= {"ENVIRONMENT": "test", "DATABASE_URL": url}
    settings.forget()
    with redirect_stdout(StringIO()):
        migrate.upgrade()


@pytest.mark.beside
def test_replicas_that_migrate_at_once_do_it_once(empty: str) -> None:
    """Without the lock the second would find the first one's tables, or half of them."""
    if not REVISIONS:
        pytest.skip("there is no migration yet")
    assert migrate_at_once(empty) == [0] * REPLICAS


def test_the_models_and_the_migrations_agree() -> None:
    """When this fails: make migration m="what changed"."""
    migrate.compare()


def test_the_chassis_own_tables_are_no_difference() -> None:
    """Those of a capability that was switched off stay: the next migration must not drop them."""
    migrate.with_connection(lambda connection: run(connection, "CREATE TABLE chassis_left_behind (id INTEGER)"))
    try:
        migrate.compare()
    finally:
        migrate.with_connection(lambda connection: run(connection, "DROP TABLE chassis_left_behind"))


def run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))
    connection.commit()


def test_bytecode_of_a_capability_that_is_gone_is_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git removes what was rendered, and leaves the folder for what it does not know."""
    for name, file in (("here", "0001_here.py"), ("gone", "__pycache__/0001_gone.cpython-311.pyc")):
        path = tmp_path / name / "migrations" / file
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setattr(revisions, "CHASSIS", tmp_path)
    assert [history.table for history in revisions.histories()] == ["chassis_here_version", revisions.SERVICE.table]


# -- which migrations wait, by their files alone


@pytest.mark.parametrize(
    ("versions", "pending"),
    [
        (set(), True),
        ({"a"}, True),
        ({"b"}, True),
        ({"b", "c"}, True),
        ({"d"}, False),
        # During a rollout the last release's replicas serve on, even one that restarts.
        ({"e, of the next release"}, False),
    ],
)
def test_what_is_pending(versions: set[str], pending: bool) -> None:
    parents: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}
    assert revisions.pending(versions, parents) is pending


def test_without_migrations_none_is_pending() -> None:
    assert revisions.pending(set(), {}) is False
