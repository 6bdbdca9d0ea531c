"""`make update`: bring in what is new in the template, and stop loudly where a person has to look."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

COPIER = ["tool", "run", "--from", "copier>=9.19", "copier"]
ANSWERS = Path(".copier-answers.yml")
# What stands around the two sides of a conflict; a line of "=======" alone may be a heading.
_MARKER = re.compile(rb"^(<{7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)


class Refused(Exception):
    """The text says what is in the way and how to remove it."""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 updated or nothing to do, 1 refused or something is left to resolve, else Copier's own."""
    try:
        require_clean_tree()
    except Refused as refusal:
        say(str(refusal))
        return 1
    before = template_version()
    status = subprocess.run(command(arguments), check=False).returncode
    if status:
        say(f"copier update failed with status {status}; what it wrote is in the work tree: git status")
        return status
    changes = changed()
    refresh_lock(changes)
    say(summary(before, template_version(), changes))
    left = [*leftovers(path for _, path in changes), *orphans(changes)]
    if left:
        say("\n".join(["", "Not done: resolve these, then commit.", *(f"  {line}" for line in left)]))
    elif changes:
        say("Look at it with: git diff HEAD. Then: make lint test, and commit.")
    return 1 if left else 0


def command(arguments: Sequence[str]) -> list[str]:
    """New questions are asked where somebody can answer; otherwise they get their defaults."""
    asked = "--skip-answered" if sys.stdin.isatty() else "--defaults"
    copier = shlex.split(os.environ.get("COPIER", "")) or [uv(), *COPIER]
    return [*copier, "update", asked, *arguments]


def uv() -> str:
    """`uv run` says in UV where it is itself."""
    return os.environ.get("UV") or "uv"


def require_clean_tree() -> None:
    """Raises Refused: an update is a merge, and only a commit lets you look at it and take it back."""
    if not ANSWERS.exists():
        raise Refused(f"{ANSWERS} is missing: it names the template. Run this in the folder of the service.")
    try:
        dirty = git("status", "--porcelain", "--", ".")
        git("rev-parse", "--verify", "--quiet", "HEAD")
    except FileNotFoundError:
        raise Refused("git is missing, and an update is a merge: install it first.") from None
    except subprocess.CalledProcessError:
        raise Refused('No commit to merge into: git init && git add -A && git commit -m "New service"') from None
    if dirty:
        raise Refused(f"There are changes that are not committed; commit or stash them first:\n{dirty.rstrip()}")


def template_version() -> str:
    found = re.search(r"^_commit: *(.+)$", ANSWERS.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip("'\" ") if found else "unknown"


def changed() -> list[tuple[str, str]]:
    """(what, path) of everything that differs from the last commit."""
    fields = git("status", "--porcelain", "--untracked-files=all", "--no-renames", "-z", "--", ".").split("\0")
    root = git("rev-parse", "--show-prefix").strip()
    return [(kind(field[:2]), field[3:].removeprefix(root)) for field in fields if field]


def kind(code: str) -> str:
    if code in {"DD", "AU", "UD", "UA", "DU", "AA", "UU"}:
        return "unmerged"
    if "D" in code:
        return "removed"
    return "added" if code == "??" or "A" in code else "changed"


def summary(before: str, after: str, changes: Sequence[tuple[str, str]]) -> str:
    head = f"Template {before}" if before == after else f"Template {before} -> {after}"
    if not changes:
        return f"{head}: nothing changed."
    lines = [f"  {what:<8} {path}" for what, path in sorted(changes)]
    return "\n".join([f"{head}:", *lines])


def leftovers(paths: Iterable[str]) -> list[str]:
    """One line for every file that a person has to look at."""
    unmerged = {line.split("\t", 1)[1] for line in git("ls-files", "--unmerged", "-z").split("\0") if line}
    lines = [f"{path}: unmerged" for path in sorted(unmerged)]
    for path in sorted(paths):
        if path.endswith(".rej"):
            lines.append(f"{path}: changes that did not fit {path.removesuffix('.rej')}; apply them by hand, delete it")
        elif path not in unmerged and has_markers(Path(path)):
            lines.append(f"{path}: conflict markers (<<<<<<< and >>>>>>>)")
    return lines


def has_markers(path: Path) -> bool:
    return path.is_file() and _MARKER.search(path.read_bytes()) is not None


def orphans(changes: Sequence[tuple[str, str]]) -> list[str]:
    """One line for every import of a chassis module that this update has taken away, as an answer switched off does."""
    gone = {module for what, path in changes if what == "removed" and (module := gone_module(Path(path)))}
    files = git("ls-files", "-z", "--", "*.py").split("\0") if gone else []
    return [
        f"{path}:{line}: imports {module}, which is gone: take out what uses it, or keep the answer that brings it"
        for path in map(Path, filter(None, files))
        if path.is_file()
        for line, module in imported(path)
        if module in gone
    ]


def gone_module(path: Path) -> str:
    """Its dotted name; empty for what is no module of the chassis, or still one in another form."""
    module = path.with_suffix("") if path.name != "__init__.py" else path.parent
    there = module.with_suffix(".py").exists() or (module / "__init__.py").exists()
    return "" if there or path.suffix != ".py" or path.parts[:2] != ("app", "chassis") else ".".join(module.parts)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the name of every module that it may import: the last word of `from a import b` may be one, too."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def refresh_lock(changes: list[tuple[str, str]]) -> None:
    """Bring uv.lock along: one that no longer fits pyproject.toml would fail the next build."""
    touched = {path for _, path in changes}
    if "pyproject.toml" not in touched or not Path("uv.lock").exists() or has_markers(Path("pyproject.toml")):
        return
    if subprocess.run([uv(), "lock"], check=False).returncode:
        say("uv.lock no longer fits pyproject.toml: run `uv lock` and look at what it says.")
    elif "uv.lock" not in touched and git("status", "--porcelain", "uv.lock"):
        changes.append(("changed", "uv.lock"))


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
