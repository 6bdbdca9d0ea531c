"""Runs rendered services: their own commands, in virtual environments that services with the same packages share."""

import hashlib
import os
import signal
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from shutil import copy2

import machine
import servers
from template import ROOT

CACHE = ROOT / ".cache"


def surroundings(service: Path, *, database: str, python: str, environment: str | None = None) -> dict[str, str]:
    """Environment variables for the service's commands.

    Services with the same packages share a virtual environment. One with the name `environment` serves all that say so, one
    after the other, each with its packages alone: what they have in common is compiled and type-checked once.
    Raises `servers.Missing` when there is no such interpreter or no server for the database.
    """
    name = f"{python}-{environment or _packages(service)}"
    found = {
        "UV_PROJECT_ENVIRONMENT": str(CACHE / "environments" / name),
        "UV_PYTHON": servers.interpreter(python),
        "UV_PYTHON_DOWNLOADS": "never",
        "MYPY_CACHE_DIR": str(CACHE / "mypy" / name),
    }
    if url := servers.database_url(database):
        found["DATABASE_URL"] = url
    # Each of some thousand processes would compile all that it imports.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | found


def _packages(service: Path) -> str:
    """A name for the set of packages that the service asks for."""
    settings = tomllib.loads((service / "pyproject.toml").read_text())
    asked = [settings["project"]["requires-python"], settings["project"]["dependencies"], settings["dependency-groups"]]
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:12]


@contextmanager
def shared_lock(service: Path) -> Iterator[None]:
    """One resolution of the packages for all services that ask for the same ones, under any name."""
    stored = CACHE / "locks" / f"{_packages(service)}.lock"
    if stored.exists():
        copy2(stored, service / "uv.lock")
    yield
    if not stored.exists() and (service / "uv.lock").exists():
        stored.parent.mkdir(parents=True, exist_ok=True)
        copy2(service / "uv.lock", stored)


def make(service: Path, *targets: str, env: dict[str, str], timeout: float = 600, kind: str = "suite") -> str:
    """Runs `make` in the service and returns what it printed; a failure shows the end of that. Of a `kind` one `test` at a time."""
    with shared_lock(service), machine.one_suite(kind) if "test" in targets else nullcontext():
        done = subprocess.run(
            ["make", "--no-print-directory", *targets],
            cwd=service,
            env=env,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )
    assert done.returncode == 0, f"make {' '.join(targets)} in {service} exited with {done.returncode}:\n{done.stdout[-9000:]}"
    return done.stdout


@contextmanager
def running(service: Path, *, env: dict[str, str]) -> Iterator[str]:
    """The service as a process, ready, on a port of its own; stopped with SIGTERM, it has to exit with 0."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = service.parent / f"{service.name}-{port}.log"
    with shared_lock(service), log.open("wb") as output:
        process = subprocess.Popen(
            ["uv", "run", "python", "-m", "app"],
            cwd=service,
            # What hangs says where, when it is told to abort.
            env=env | {"PORT": str(port), "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(url, process, log)
            yield url
            os.killpg(process.pid, signal.SIGTERM)
            assert _ended(process, log) == 0, log.read_text()[-3000:]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _ended(process: subprocess.Popen[bytes], log: Path) -> int:
    """The exit status; what does not end shows where its threads are."""
    try:
        # Less than the 30 s after which the server kills a worker that hangs.
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(ProcessLookupError):
                if os.getsid(int(entry.name)) == process.pid:
                    os.kill(int(entry.name), signal.SIGABRT)
        process.wait(timeout=10)
        raise AssertionError(f"the service did not stop within 20 s:\n{log.read_text()[-9000:]}") from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the service stopped by itself:\n{log.read_text()[-3000:]}"
        if status(f"{url}/readyz") == 200:
            return
        time.sleep(0.2)
    raise AssertionError(f"the service did not become ready:\n{log.read_text()[-3000:]}")


def status(url: str) -> int:
    """The status a GET answers with; 0 when nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
