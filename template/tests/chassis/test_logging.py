"""Log lines: one shape for everybody, the request's ids, no secrets, no forged lines, none lost."""

import json
import subprocess
import sys
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from tests.chassis.running import ROOT, Service, eventually

IDS = {"request_id", "trace_id", "span_id"}
FORGED = 'innocent\r\n{"event": "forged"}\x1b[2K\x00\u2028\x85end'


@pytest.mark.beside
def test_a_request_is_one_line(production: Service) -> None:
    production.http.get("/probe/items/7?secret=in-the-query", headers={"x-request-id": "one-line"})
    line = production.line(event="http.request", request_id="one-line")
    assert line.keys() == {
        *("timestamp", "level", "event", "method", "route", "path", "status", "duration_ms", "client"),
        *IDS,
    }
    assert (line["level"], line["method"], line["status"]) == ("info", "GET", 200)
    assert (line["route"], line["path"]) == ("/probe/items/{item_id}", "/probe/items/7")
    assert line["timestamp"].endswith("Z")
    assert 0 < line["duration_ms"] < 5000


@pytest.mark.beside
def test_the_application_s_lines_carry_the_ids_of_their_request(production: Service) -> None:
    reply = production.http.get("/probe/log", params={"message": "own.line"})
    own = production.line(event="own.line")
    request = production.line(event="http.request", request_id=reply.headers["x-request-id"])
    assert {name: own[name] for name in IDS} == {name: request[name] for name in IDS}
    assert (len(own["trace_id"]), len(own["span_id"])) == (32, 16)


@pytest.mark.beside
@pytest.mark.parametrize("logger", ["library", "library.child", "sqlalchemy.engine.Engine", "django.request"])
def test_the_standard_library_s_loggers_have_the_same_shape(production: Service, logger: str) -> None:
    message = f"said by {logger}"
    production.http.get("/probe/log", params={"message": message, "logger": logger})
    line = production.line(event=message, logger=logger)
    assert line.keys() == {"timestamp", "level", "event", "logger", *IDS}
    request = production.line(event="http.request", request_id=line["request_id"])
    assert {name: line[name] for name in IDS} == {name: request[name] for name in IDS}


def test_the_server_s_own_lines_have_the_same_shape(production: Service) -> None:
    for line in production.lines():
        assert {"timestamp", "level", "event"} <= line.keys()
    assert production.stderr.read_text() == ""


@pytest.mark.beside
def test_an_unhandled_error_is_logged_with_its_ids_and_traceback(production: Service) -> None:
    reply = production.http.get("/probe/boom")
    ids = {"request_id": reply.headers["x-request-id"]}
    error = production.line(event="http.error", **ids)
    assert error["level"] == "error"
    assert "RuntimeError: SELECT" in error["exception"]
    assert production.line(event="http.request", status=500, **ids)["level"] == "error"


@pytest.mark.parametrize("given", ["with space", "x" * 129, "<script>", "\xe9"])
def test_a_request_id_that_cannot_be_trusted_is_replaced(production: Service, given: str) -> None:
    reply = production.http.get("/probe/ok", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert len(reply.headers["x-request-id"]) == 32


@pytest.mark.beside
@pytest.mark.parametrize("logger", ["", "library"])
def test_control_characters_forge_no_json_line(production: Service, logger: str) -> None:
    production.http.get("/probe/log", params={"message": FORGED + logger, "logger": logger})
    assert production.line(event=FORGED + logger)
    assert not production.lines(event="forged")


@pytest.mark.beside
@pytest.mark.parametrize("logger", ["", "library"])
def test_control_characters_forge_no_console_line(development: Service, logger: str) -> None:
    marker = f"marked {logger or 'structlog'} "
    development.http.get("/probe/log", params={"message": marker + FORGED, "logger": logger})
    (line,) = eventually(lambda: [line for line in development.output().split("\n") if marker in line])
    assert line.isprintable()
    assert "end" in line


@pytest.mark.beside
def test_development_lines_are_for_people(development: Service) -> None:
    development.http.get("/probe/items/8", headers={"x-request-id": "for-people"})
    (line,) = eventually(lambda: [line for line in development.output().splitlines() if "for-people" in line])
    assert line[:2].isdigit()
    assert "http.request" in line
    assert "route=/probe/items/{item_id}" in line


# -- redaction ---------------------------------------------------------------------------------------------------------

REDACTION = """
import logging
import structlog
from app.chassis import logging as chassis

chassis.configure()
log, library = structlog.get_logger(), logging.getLogger("library.child")
log.info("fields", password="hunter2", api_key="hunter2", user="ada")
log.info("nested", request={"headers": [{"Authorization": "hunter2"}], "body": {"user": "ada", "token": "hunter2"}})
log.info("url", url="postgresql://ada:hunter2@db/orders")
log.info("calling with Bearer hunter2hunter2.abc-def")
log.info("GET /x?token=hunter2&user=ada")
log.bind(client_secret="hunter2").warning("bound")
library.info("url %s", "redis://ada:hunter2@cache:6379/0")
library.warning("child", extra={"session_id": "hunter2", "user": "ada"})
library.info("header Authorization: Bearer hunter2hunter2")
library.info("password=hunter2 user=ada")
library.info('{"password": "hunter2", "user": "ada"}')
library.info("arguments %s", {"password": "hunter2", "user": "ada"})
library.info("ada's SECRET_KEY=hunter2 and aws_secret_access_key=hunter2, pwd=hunter2")
library.info("ada's headers Cookie: sessionid=hunter2; theme=hunter2")
library.info("ada's header Authorization: Token hunter2")
library.info("ada's %s", {"password": "two words, hunter2"})
library.info("ada's postgresql://ada:hunter2@hunter2@db/orders")
try:
    raise ValueError("no connection to mysql://ada:hunter2@db/orders")
except ValueError:
    log.exception("with a traceback")
    library.exception("with a traceback")
"""


@pytest.mark.beside
def test_secrets_are_written_by_no_logger_and_nothing_else_is_lost() -> None:
    redacted = written_by(REDACTION)
    assert len(redacted) == 19
    assert [line for line in redacted if "hunter2" in json.dumps(line)] == []
    fields, nested, url = redacted[:3]
    assert (fields["password"], fields["user"]) == ("[redacted]", "ada")
    assert nested["request"]["body"] == {"user": "ada", "token": "[redacted]"}
    assert url["url"] == "postgresql://ada:[redacted]@db/orders"
    assert all("ada" in json.dumps(redacted[index]) for index in (4, 6, 7, *range(9, 17)))


def written_by(code: str) -> list[dict[str, Any]]:
    """The lines that a process writes."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"ENVIRONMENT": "test", "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


# -- nothing that is logged fails or breaks a line ---------------------------------------------------------------------

AWKWARD = """
import logging
import structlog
from app.chassis import logging as chassis

class Silent:
    def __str__(self):
        raise RuntimeError("no words")

chassis.configure()
log, library = structlog.get_logger(), logging.getLogger("library")
around = {}
around["itself"] = around
log.info("a", level="gold", timestamp=5)
library.info("b", extra={"level": None})
log.info("c", number=2**70, text="\\udc80")
log.info("d", value=Silent())
log.info("e", value=around)
"""


@pytest.mark.beside
def test_every_value_can_be_logged() -> None:
    lines = written_by(AWKWARD)
    assert [line["level"] for line in lines] == ["info"] * 5
    assert [line["event"] for line in lines[:3]] == ["a", "b", "c"]
    assert lines[0]["level_"] == "gold"
    assert lines[2]["number"] == 2**70


# -- nothing is lost ---------------------------------------------------------------------------------------------------


def test_lines_in_the_buffer_survive_sigterm(terminated: Service) -> None:
    assert terminated.line(event="http.request", request_id="last-request")


@pytest.mark.beside
def test_lines_in_the_buffer_survive_a_crash_that_ends_the_service(crashing: Service) -> None:
    crashing.ready().http.get("/probe/ok", headers={"x-request-id": "before-the-crash"})
    with suppress(httpx2.TransportError):
        # The process may be gone before it has answered.
        crashing.http.get("/probe/crash")
    assert crashing.exit_status() != 0
    assert crashing.line(event="http.request", request_id="before-the-crash")
    assert crashing.line(event="probe.last_words")
    assert "RuntimeError: nobody catches this" in crashing.line(event="thread.crashed")["exception"]
