"""`python -m app.chassis.old_code REVISION`: tests what is deployed with the tables that this code migrates to."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.chassis import about

PROJECT: Final = Path(__file__).parents[2]
MIGRATE: Final = {"fastapi": ("-m", "app.chassis.migrate"), "django": ("manage.py", "migrate")}[about.FRAMEWORK]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.old_code", description=__doc__)
    parser.add_argument("revision", nargs="?", default="origin/HEAD", help="what is deployed; origin/HEAD by default")
    arguments, more = parser.parse_known_args()
    with checked_out(arguments.revision) as folder:
        command = [sys.executable, "-m", "pytest", "-q", "tests/features", *more]
        done = subprocess.run(command, cwd=folder, env=os.environ | {"SCHEMA_FROM": str(PROJECT)}, check=False)
    if done.returncode:
        sys.exit(f"The code of {arguments.revision} does not get on with these tables: docs/expand_contract.md")
    print(f"The code of {arguments.revision} gets on with these tables.")  # noqa: T201 - it is what the command is for


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The service as it is at that revision, in a worktree beside this one."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "old"
        git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            yield tree / git("rev-parse", "--show-prefix")
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.strip()


def migrated() -> bool:
    """For the tests' own database: whether the code in the folder SCHEMA_FROM was asked to make its tables."""
    newer = os.environ.get("SCHEMA_FROM")
    if not newer:
        return False
    subprocess.run([sys.executable, *MIGRATE], cwd=newer, stdout=subprocess.DEVNULL, check=True)
    return True


if __name__ == "__main__":
    main()
