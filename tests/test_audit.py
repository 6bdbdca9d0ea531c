"""`make audit` finds what a vulnerability database knows of the locked packages, and fails when nobody answers.

The database is one of this machine, which speaks as osv.dev does.
"""

import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import answers
import pytest
import services
import template as slipway

pytestmark = pytest.mark.slow

ADVISORY = {
    "id": "GHSA-0000-0000-0000",
    "summary": "Bytes that nobody has checked are executed",
    "modified": "2026-01-01T00:00:00Z",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"name": "orjson", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Database(ThreadingHTTPServer):
    """Knows of one vulnerability, if `bad` says in which package; `broken` says no more than that it is there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bad, self.broken = "", False
        self.asked: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def found(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        self.asked |= {query["package"]["name"]: query["version"] for query in queries}
        known = [{"vulns": [{"id": ADVISORY["id"], "modified": ADVISORY["modified"]}]} if self.knows(query) else {} for query in queries]
        return {"results": known}

    def knows(self, query: dict[str, Any]) -> bool:
        return bool(query["package"]["name"] == self.bad)


class Handler(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        self.reply(self.server.found(json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]))

    def do_GET(self) -> None:
        self.reply(ADVISORY)

    def reply(self, value: Any) -> None:
        body = b"<html>" if self.server.broken else json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="module", params=answers.choices()["framework"])
def locked(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    service = slipway.render(template, tmp_path_factory.mktemp("audited") / "orders", {"framework": request.param})
    env = services.surroundings(service, database="sqlite", python="3.11") | {"UV_HTTP_RETRIES": "0"}
    with services.shared_lock(service):
        subprocess.run(["uv", "lock", "--quiet"], cwd=service, env=env, check=True)
    return service, env


def audit(service: Path, env: dict[str, str], url: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", "--no-print-directory", "audit", f"ARGS=--service-url {url}"]
    return subprocess.run(command, cwd=service, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_every_package_that_is_locked_is_asked_about(locked: tuple[Path, dict[str, str]], database: Database) -> None:
    done = audit(*locked, database.url)
    assert done.returncode == 0, done.stdout
    packages = tomllib.loads((locked[0] / "uv.lock").read_text())["package"]
    assert database.asked == {one["name"]: one["version"] for one in packages if "registry" in one["source"]}


def test_a_known_vulnerability_fails_and_the_cure_is_named(locked: tuple[Path, dict[str, str]], database: Database) -> None:
    database.bad = "orjson"
    done = audit(*locked, database.url)
    assert done.returncode != 0
    for told in ("orjson", ADVISORY["id"], ADVISORY["summary"], "Fixed in: 99.1"):
        assert str(told) in done.stdout


def test_a_database_that_is_away_or_broken_is_no_all_clear(locked: tuple[Path, dict[str, str]], database: Database) -> None:
    database.broken = True
    broken = audit(*locked, database.url)
    database.shutdown()
    database.server_close()
    away = audit(*locked, database.url)
    for done in (broken, away):
        assert done.returncode != 0
        assert "error: " in done.stdout


def test_what_is_not_locked_is_not_audited(locked: tuple[Path, dict[str, str]], tmp_path: Path, database: Database) -> None:
    service, env = locked
    for name in ("Makefile", "pyproject.toml", "local.mk"):
        (tmp_path / name).write_text((service / name).read_text())
    assert audit(tmp_path, env, database.url).returncode != 0
    assert not database.asked


# -- of every render ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [False, True], ids=["vulnerable", "away"])
def test_the_audit_of_every_render_tells_what_it_knows(database: Database, away: bool) -> None:
    """Of the first here: they are many."""
    database.bad, url = "orjson", database.url
    if away:
        database.shutdown()
        database.server_close()
    command = [sys.executable, answers.ROOT / "scripts/audit.py", "--service-url", url, "--first", "1"]
    env = os.environ | {"UV_HTTP_RETRIES": "0"}
    done = subprocess.run(command, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == (2 if away else 1), done.stdout
    assert ("Nothing was audited" if away else "Fixed in: 99.1") in done.stdout
