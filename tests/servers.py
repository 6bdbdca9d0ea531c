"""Finds the servers and interpreters that tests need, and says how to get one that is not there."""

import os
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit


class Missing(Exception):
    """Something a test needs is not on this machine: skipped, but a failure where CI=true unless `optional`."""

    def __init__(self, text: str, *, optional: bool = False) -> None:
        super().__init__(text)
        self.optional = optional


MYSQL_PORT = 3306


def database_url(database: str) -> str | None:
    """The DATABASE_URL to hand to a service, or None when it finds its server by itself: PostgreSQL comes with it, as a wheel.

    Raises `Missing` when it would find none.
    """
    url = os.environ.get(f"{database.upper()}_URL")
    if database == "mysql":
        parts = urlsplit(url or "")
        if not listens(parts.hostname or "127.0.0.1", parts.port or MYSQL_PORT):
            raise Missing("MySQL and MariaDB answer neither at MYSQL_URL nor at 127.0.0.1:3306: run scripts/install-services.sh")
    return url


@cache
def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def interpreter(version: str) -> str:
    """Path of a Python `version` ("3.12") on PATH or in pyenv's folder; raises `Missing` when there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in [*found, shutil.which(f"python{version}"), shutil.which("python3")]:
        if candidate and _is(candidate, version):
            return candidate
    raise Missing(f"No Python {version} on PATH or in pyenv: install one, like `uv python install {version}`", optional=True)


@cache
def _is(python: str, version: str) -> bool:
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    return done.stdout.strip() == version
