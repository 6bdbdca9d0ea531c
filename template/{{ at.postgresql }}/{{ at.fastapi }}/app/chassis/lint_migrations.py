"""`python -m app.chassis.lint_migrations`: refuse migrations that would lock or break a PostgreSQL in use (squawk)."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.script import Script, ScriptDirectory

from app.chassis import migrate
from app.chassis.revisions import History, histories
from app.chassis.settings import SettingsError

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
# Alembic's own bookkeeping is a table of one row.
BOOKKEEPING = re.compile(r"^[^;]*\b(?:alembic|chassis_\w+)_version\b[^;]*;$", re.MULTILINE)


def main() -> None:
    try:
        refused = [script.path for history in histories() for script in scripts(history) if not lint(script, history)]
    except SettingsError as error:
        sys.exit(str(error))
    if refused:
        sys.exit(
            "\nSee https://squawkhq.com/docs/rules for the safe way of each change. When it is safe here, say so in "
            "the migration:\n\n    # squawk-ignore: name-of-the-rule"
        )


def scripts(history: History) -> Iterator[Script]:
    """Oldest first; a merge changes nothing."""
    known = ScriptDirectory.from_config(migrate.config(history=history)).walk_revisions()
    return (script for script in reversed(list(known)) if not script.is_merge_point)


def lint(script: Script, history: History) -> bool:
    """Each migration by itself: in the next one, what it has made is already in use."""
    accepted = [rule.strip() for rules in ACCEPTED.findall(Path(script.path).read_text()) for rule in rules.split(",")]
    excluded = ",".join([*NOT_ABOUT_LOCKS, *accepted])
    squawk = Path(sys.executable).with_name("squawk")
    options = ["--pg-version", "14.0", "--exclude", excluded, "--stdin-filepath", script.path]
    return subprocess.run([squawk, *options], input=statements(script, history), text=True, check=False).returncode == 0


def statements(script: Script, history: History) -> str:
    output = io.StringIO()
    before = f"{script.down_revision}:" if script.down_revision else ""
    command.upgrade(migrate.config(output, history=history), f"{before}{script.revision}", sql=True)
    return BOOKKEEPING.sub("", output.getvalue())


if __name__ == "__main__":
    main()
