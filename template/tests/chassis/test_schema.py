"""The OpenAPI document, and whether the service keeps what it promises: checked by schemathesis.

`SCHEMATHESIS_EXAMPLES=500 make test` looks longer; a `schemathesis.toml` beside pyproject.toml is obeyed.
"""

import subprocess
import sys
from concurrent.futures import Future
from typing import Any

import jsonschema_rs
import pytest

from tests.chassis.running import Service

Promises = Future[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def document(development: Service) -> dict[str, Any]:
    found: dict[str, Any] = development.http.get("/openapi.json").json()
    return found


def test_the_document_s_schemas_are_those_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    for schema in document.get("components", {}).get("schemas", {}).values():
        jsonschema_rs.meta.validate(schema)


def test_every_failure_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            failures = {status: reply for status, reply in operation["responses"].items() if status >= "400"}
            assert {"400", "500", "503"} <= failures.keys(), (method, path)
            for reply in failures.values():
                assert list(reply["content"]) == ["application/problem+json"], (method, path)


def test_the_service_keeps_its_promises(document: dict[str, Any], promises: Promises) -> None:
    """A valid document, no server error, nothing undocumented, nothing valid refused, nothing invalid taken.

    Without a credential nothing that needs one, and nothing of one caller's for another one.
    """
    if not document["paths"]:
        pytest.skip("no operation is documented yet")
    done = promises.result()
    # How many cases it was: `make test ARGS="-k promises -rP"`.
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout
