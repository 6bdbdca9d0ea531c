"""`make services`: the MySQL or MariaDB that development and tests use, found by DATABASE_URL or on its usual port."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

from app.chassis import about
from app.chassis.settings import env_file

USUAL_URL = f"mysql://root@127.0.0.1:3306/{about.NAME.replace('-', '_')}"
CURE = """\
There is no MySQL or MariaDB to use: {reason}
Start one, for example with `docker compose up --detach mysql`, or set DATABASE_URL={example}
"""


def main() -> None:
    """`stop` does nothing: whoever started the server stops it."""
    if sys.argv[1:] == ["stop"]:
        return
    url = server_url()
    _run(url, f"CREATE DATABASE IF NOT EXISTS `{_database(url)}` CHARACTER SET utf8mb4")
    sys.stdout.write(f"MySQL is there: {_shown(url)}\n")


@contextmanager
def test_database(name: str) -> Iterator[str]:
    """The URL of an empty database; dropped afterwards."""
    url = urlsplit(server_url())._replace(path=f"/{name}").geturl()
    _run(url, f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        yield url
    finally:
        _run(url, f"DROP DATABASE IF EXISTS `{name}`")


def server_url() -> str:
    """DATABASE_URL, else the usual port of this machine. Ends the process with the cure when nobody answers."""
    url = os.environ.get("DATABASE_URL") or _from_env_file() or USUAL_URL
    try:
        _run(url, "SELECT 1")
    except pymysql.err.OperationalError as error:
        sys.exit(CURE.format(reason=f"{_shown(url)}: {error.args[-1]}", example=USUAL_URL))
    return url


def _from_env_file() -> str | None:
    from dotenv import dotenv_values  # noqa: PLC0415 - comes with pydantic-settings

    file = env_file()
    return dotenv_values(file).get("DATABASE_URL") if file else None


def _run(url: str, *statements: str) -> None:
    parts = urlsplit(url)
    server: dict[str, Any] = {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
    }
    with pymysql.connect(**server, connect_timeout=5) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _database(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))


def _shown(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


if __name__ == "__main__":
    main()
