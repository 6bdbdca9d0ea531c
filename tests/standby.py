"""Two real PostgreSQL servers of a test: one that is written to, and a standby that follows its log."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import servers

LOCAL = "-c listen_addresses=127.0.0.1 -c unix_socket_directories="


@dataclass(frozen=True)
class Pair:
    primary: str
    standby: str

    def pause(self) -> None:
        """From now on the standby has what it has."""
        run("psql", "--dbname", self.standby, "--command", "SELECT pg_wal_replay_pause()")

    def resume(self) -> None:
        run("psql", "--dbname", self.standby, "--command", "SELECT pg_wal_replay_resume()")


@contextmanager
def pair() -> Iterator[Pair]:
    """Their databases are empty; raises `servers.Missing` without PostgreSQL's programs."""
    # Not in pytest's folder: PostgreSQL does not run as root, and nobody else may look in there.
    folder = Path(tempfile.mkdtemp(prefix="standby-"))
    owned = identity()
    if owned:
        os.chown(folder, owned["user"], owned["group"])
    first, second = free_port(), free_port()
    try:
        run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--pgdata", f"{folder}/primary", **owned)
        with running(folder / "primary", first):
            source = f"--dbname=postgresql://postgres@127.0.0.1:{first}"
            target = ["--pgdata", f"{folder}/standby", "--write-recovery-conf"]
            run("pg_basebackup", source, *target, "--no-sync", "--checkpoint=fast", **owned)
            with running(folder / "standby", second):
                yield Pair(*(f"postgresql://postgres@127.0.0.1:{port}/postgres" for port in (first, second)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(data: Path, port: int) -> Iterator[None]:
    options = ["--pgdata", str(data), f"--log={data}.log", "--wait"]
    run("pg_ctl", "start", *options, "-o", f"-p {port} {LOCAL}", **identity())
    try:
        yield
    finally:
        run("pg_ctl", "stop", "--pgdata", str(data), "--mode=immediate", **identity())


def run(program: str, *arguments: str, **identity: Any) -> None:
    # To a file: a server inherits the pipe, which then never ends.
    with tempfile.TemporaryFile() as output:
        command = [found(program), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False, **identity)
        output.seek(0)
        assert done.returncode == 0, f"{program}: {output.read().decode()}"


def found(program: str) -> str:
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{program}")))
    path = shutil.which(program) or (installed or [None])[-1]
    if path is None:
        raise servers.Missing(f"No {program}: install PostgreSQL's server, as scripts/install-services.sh does", optional=True)
    return path


def identity() -> dict[str, Any]:
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
