"""The template as a repository with releases: a clone whose newest one is the working tree, and services rendered from it."""

import hashlib
import json
import subprocess
from pathlib import Path
from shutil import copy2, copytree
from typing import Any

import copier
import yaml
from answers import given

ROOT = Path(__file__).parents[1]
NEXT = "v999.0.0"


def releases() -> dict[str, str]:
    """Versions of releases.yml and their commits, oldest first; until the first, HEAD stands in."""
    listed = yaml.safe_load((ROOT / "releases.yml").read_text()) or []
    return {entry["version"]: entry["commit"] for entry in listed} or {"0.0.1": "HEAD"}


def clone(folder: Path) -> Path:
    """The repository with its releases as tags, and what lies in the working tree, committed or not, as the newest."""
    git(ROOT, "clone", "-q", str(ROOT), str(folder))
    for version, commit in releases().items():
        git(folder, "tag", f"v{version}", commit)
    for name in git(folder, "ls-files").splitlines():
        (folder / name).unlink()
    for name in git(ROOT, "-c", "core.quotepath=off", "ls-files", "-co", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name)
    return release(folder, NEXT)


def release(folder: Path, version: str) -> Path:
    """Commits and tags what lies in the clone."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", version)
    git(folder, "tag", version)
    return folder


def render(template: Path, folder: Path, answers: dict[str, Any] | None = None, *, version: str = NEXT) -> Path:
    copier.run_copy(str(template), folder, data=given(answers or {}), vcs_ref=version, defaults=True, quiet=True)
    return folder


def render_once(template: Path, folder: Path, answers: dict[str, Any] | None = None, *, version: str = NEXT) -> Path:
    """As `render`, for answers that many tests ask for: a copy of what the first of them got."""
    asked = json.dumps([given(answers or {}), version], sort_keys=True).encode()
    kept = template.parent / "rendered" / hashlib.sha256(asked).hexdigest()[:16]
    if not kept.exists():
        render(template, kept, answers, version=version)
    return Path(copytree(kept, folder))


def update(service: Path, answers: dict[str, Any] | None = None, *, version: str = NEXT) -> None:
    copier.run_update(service, data=given(answers or {}), vcs_ref=version, defaults=True, overwrite=True, quiet=True)


def start_history(service: Path, message: str = "New service") -> None:
    git(service, "init", "-q")
    save(service, message)


def save(service: Path, message: str) -> None:
    git(service, "add", "-A")
    git(service, "commit", "-q", "--allow-empty", "-m", message)


def git(folder: Path, *arguments: str) -> str:
    command = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.com",
        "-c",
        "commit.gpgsign=false",
        *arguments,
    ]
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    """What a service consists of: path -> bytes, without git's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".git"
    }
