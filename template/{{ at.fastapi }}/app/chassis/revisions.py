"""Which migrations there are, read from their files: importing Alembic for it would double the time to start."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIGRATIONS = Path(__file__).parents[2] / "migrations"
CHASSIS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class History:
    """Migrations that follow each other: where their files are, and the table that says how far a database is."""

    folder: Path
    table: str


SERVICE = History(MIGRATIONS / "versions", "alembic_version")


def histories() -> list[History]:
    """One for each capability that has tables of its own, app/chassis/NAME/migrations, then the service's.

    Apart from each other, so that a capability which is switched off is no version that nobody knows any more.
    """
    # By their files: of a capability that is gone, bytecode may lie around in a folder that git does not know.
    folders = sorted({path.parent for path in CHASSIS.glob("*/migrations/*.py")})
    return [*(History(folder, f"chassis_{folder.parent.name}_version") for folder in folders), SERVICE]


def known(folder: Path = SERVICE.folder) -> dict[str, set[str]]:
    """Every migration, with those that come before it."""
    return dict(map(_read, folder.glob("*.py")))


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
