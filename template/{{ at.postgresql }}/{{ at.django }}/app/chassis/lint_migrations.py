"""`python -m app.chassis.lint_migrations`: refuse migrations that would lock or break a PostgreSQL in use (squawk)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.apps import apps
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

# What is no matter of locks: `migrate` sets a lock timeout and each migration is one transaction; the types are the
# models' choice, and those of the other databases too.
NOT_ABOUT_LOCKS = (
    "require-timeout-settings",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
)
ACCEPTED = re.compile(r"^# squawk-ignore: *([a-z, -]+)$", re.MULTILINE)
# Which statements Django writes depends on it; a server to ask is not needed.
VERSION = 14


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup()
    connection.__dict__["pg_version"] = VERSION * 10000
    refused = [path for path, sql in migrations() if not lint(path, sql)]
    if refused:
        sys.exit(
            "\nSee https://squawkhq.com/docs/rules for the safe way of each change. When it is safe here, say so in "
            "the migration:\n\n    # squawk-ignore: name-of-the-rule"
        )


def migrations() -> Iterator[tuple[Path, str]]:
    """Those of the service's own apps with their statements, oldest first."""
    loader = MigrationLoader(None, replace_migrations=False)
    own = {config.label for config in apps.get_app_configs() if config.name.startswith("app.")}
    for label, name in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):  # noqa: SLF001
        if label in own:
            migration = loader.graph.nodes[label, name]
            before = loader.project_state((label, name), at_end=False)
            yield Path(sys.modules[type(migration).__module__].__file__ or ""), statements(migration, before)


def statements(migration: Migration, before: ProjectState) -> str:
    # Not atomic, or the editor would ask the server for a transaction: it is written down instead.
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(before, editor, collect_sql=True)
    sql = "\n".join(editor.collected_sql)
    return f"BEGIN;\n{sql}\nCOMMIT;\n" if migration.atomic else sql


def lint(path: Path, sql: str) -> bool:
    """Each migration by itself: in the next one, what it has made is already in use."""
    accepted = [rule.strip() for rules in ACCEPTED.findall(path.read_text()) for rule in rules.split(",")]
    excluded = ",".join([*NOT_ABOUT_LOCKS, *accepted])
    command = ["squawk", "--pg-version", f"{VERSION}.0", "--exclude", excluded, "--stdin-filepath", str(path)]
    return subprocess.run(command, input=sql, text=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
