"""What rendering and updating cost."""

import sys
import sysconfig
import time
from pathlib import Path

from figures import Figure
from load import HERE
from processes import copier, git, run

ROUNDS, CHANGED_FILES = 5, 20


def figures(folder: Path) -> list[Figure]:
    """The whole process of `copier copy` and of `copier update`, from a clone with two releases."""
    template, copies, updates = folder / "template", [], []
    # As a user's Copier is after its first run, also where PYTHONDONTWRITEBYTECODE is set.
    run(sys.executable, "-m", "compileall", "-q", sysconfig.get_path("purelib"))
    git(folder, "clone", "--quiet", str(HERE.parent), str(template))
    git(template, "tag", "v1001.0.0")
    owned = [*sorted(template.glob("template/app/chassis/*.py")), *sorted(template.glob("template/tests/chassis/*.py"))]
    for path in owned[:CHANGED_FILES]:
        path.write_text(path.read_text() + "# changed\n")
    git(template, "commit", "--quiet", "-am", "next")
    git(template, "tag", "v1002.0.0")
    for number in range(ROUNDS):
        service = folder / f"copied-{number}"
        copies.append(seconds("copy", "--vcs-ref=v1001.0.0", str(template), str(service)))
        files = sum(path.is_file() for path in service.rglob("*"))
        git(service, "init", "--quiet")
        git(service, "add", "-A")
        git(service, "commit", "--quiet", "-m", "new")
        updates.append(seconds("update", "--vcs-ref=v1002.0.0", str(service)))
        changed = len(git(service, "status", "--short").splitlines())
        if changed < CHANGED_FILES:
            raise SystemExit(f"the update changed {changed} files, not {CHANGED_FILES}")
    return [
        Figure("copier copy, default answers, whole process", copies, "s", at_most=1.5),
        # Copier compiles every part of every path, so both grow with the number of files: more than that is a fault of ours.
        Figure(f"copier copy, each of {files} files", [1000 * one / files for one in copies], "ms"),
        Figure(f"copier update, {CHANGED_FILES} changed files, whole process", updates, "s", at_most=4.5),
    ]


def seconds(command: str, *arguments: str) -> float:
    started = time.perf_counter()
    copier(command, "--quiet", "--defaults", *arguments)
    return time.perf_counter() - started
