"""Which migrations there are, read from their files: importing Alembic for it would double the time to start."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def known() -> dict[str, set[str]]:
    """Every migration, with those that come before it."""
    return dict(map(_read, (MIGRATIONS / "versions").glob("*.py")))


def pending(versions: set[str], parents: dict[str, set[str]]) -> bool:
    """Whether a database at these versions still misses something this code needs.

    A version that this code does not know is newer: during a rollout the replicas of the last release serve on.
    """
    heads = parents.keys() - {name for down in parents.values() for name in down}
    return not heads <= versions and versions <= parents.keys()


def _read(path: Path) -> tuple[str, set[str]]:
    values = {
        name: ast.literal_eval(value)
        for name, value in _assignments(ast.parse(path.read_bytes()))
        if name in {"revision", "down_revision", "depends_on"}
    }
    down = _names(values.get("down_revision")) | _names(values.get("depends_on"))
    return values["revision"], down


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            yield target.id, value


def _names(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value or ())
