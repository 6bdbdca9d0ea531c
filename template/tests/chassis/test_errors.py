"""Errors: whatever goes wrong is an RFC 9457 problem that names its trace and gives nothing away."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.chassis.running import Service

JSON = {"content-type": "application/json"}
# The server hangs up on a body that it does not read: nobody may use that connection again.
TOO_MUCH = {**JSON, "connection": "close"}
GIVES_AWAY = ("Traceback", "SELECT", "/etc/", ".py", "site-packages", "RuntimeError")


def problem(reply: httpx2.Response, status: int) -> dict[str, Any]:
    """The members of a problem reply that is as it should be."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    members: dict[str, Any] = reply.json()
    assert members["status"] == status
    assert members["title"]
    assert members["type"]
    assert len(members["trace_id"]) == 32
    assert members["request_id"] == reply.headers["x-request-id"]
    assert not [text for text in GIVES_AWAY if text in reply.text]
    return members


def test_a_path_that_is_not_there_is_404(production: Service) -> None:
    problem(production.http.get("/nowhere"), 404)


def test_a_method_that_is_not_there_is_405_and_names_those_that_are(production: Service) -> None:
    reply = production.http.delete("/probe/echo")
    problem(reply, 405)
    assert set(reply.headers["allow"].split(", ")) == {"GET", "POST"}


def test_a_problem_names_the_trace_of_its_log_line(production: Service) -> None:
    members = problem(production.http.get("/probe/boom", headers={"x-request-id": "named-in-problem"}), 500)
    assert production.line(event="http.request", request_id="named-in-problem")["trace_id"] == members["trace_id"]


def test_a_declared_body_over_the_limit_is_413(production: Service) -> None:
    problem(production.http.post("/probe/echo", content=b"x" * (2 << 20), headers=TOO_MUCH), 413)


def test_a_streamed_body_over_the_limit_is_413(production: Service) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(32):
            yield b"x" * (1 << 16)

    problem(production.http.post("/probe/echo", content=stream(), headers=TOO_MUCH), 413)


@pytest.mark.parametrize("body", [b"", b"{", b"{'text': 1}", b'{"text": "a"', b"\xff\xfe", b"nonsense"])
def test_malformed_json_is_400_or_422(production: Service, body: bytes) -> None:
    reply = production.http.post("/probe/echo", content=body, headers=JSON)
    problem(reply, 400 if body else 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_content_type_is_415(production: Service, kind: str) -> None:
    body = b'{"text": "a"}'
    problem(production.http.post("/probe/echo", content=body, headers={"content-type": kind}), 415)


def test_no_body_at_all_is_422(production: Service) -> None:
    problem(production.http.post("/probe/echo"), 422)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/text"),
        ({"text": 7}, "#/text"),
        ({"text": "x" * 1001}, "#/text"),
        ({"text": "a", "unknown": 1}, "#/unknown"),
        ({"text": "a", "sl/ash~": 1}, "#/sl~1ash~0"),
    ],
)
def test_a_refused_value_is_422_and_pointed_at(production: Service, body: dict[str, object], pointer: str) -> None:
    (error,) = problem(production.http.post("/probe/echo", json=body), 422)["errors"]
    assert error["pointer"] == pointer
    assert error["detail"]


@pytest.mark.parametrize("path", ["/probe/items/seven", "/probe/sleep?seconds=long", "/probe/sleep"])
def test_a_refused_parameter_is_422_and_named(production: Service, path: str) -> None:
    (error,) = problem(production.http.get(path), 422)["errors"]
    assert error["parameter"] in {"item_id", "seconds"}
    assert error["detail"]


def test_an_unhandled_error_is_500_and_gives_nothing_away(production: Service) -> None:
    assert "detail" not in problem(production.http.get("/probe/boom"), 500)


def test_an_unhandled_error_gives_nothing_away_in_development_either(development: Service) -> None:
    problem(development.http.get("/probe/boom"), 500)
