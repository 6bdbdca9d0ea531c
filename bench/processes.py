"""Commands that must succeed."""

import os
import subprocess
import sys
from pathlib import Path

UV = os.environ.get("UV", "uv")


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def copier(*arguments: str) -> None:
    run(sys.executable, "-W", "ignore", "-m", "copier", *arguments)


def git(folder: Path, *arguments: str) -> str:
    return run("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", *arguments, cwd=folder)
