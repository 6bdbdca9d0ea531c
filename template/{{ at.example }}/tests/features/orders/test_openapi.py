"""What the OpenAPI document promises about orders."""

from typing import Any

import pytest

OPERATIONS = {
    ("/v1/orders", "post"): {201, 413, 415, 422},
    ("/v1/orders", "get"): {200, 422},
    ("/v1/orders/{order_id}", "get"): {200, 404, 422},
    ("/v1/orders/{order_id}/cancellation", "post"): {200, 404, 409, 422},
}


@pytest.fixture
def document(client: Any) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize(("operation", "statuses"), OPERATIONS.items())
def test_every_answer_is_documented_and_every_failure_is_a_problem(
    document: dict[str, Any], operation: tuple[str, str], statuses: set[int]
) -> None:
    path, method = operation
    found = document["paths"][path][method]
    responses = found["responses"]
    keyed = "Idempotency-Key" in [parameter["name"] for parameter in found.get("parameters", ())]
    known = {400, 500, 503} | ({409} if keyed else set()) | ({401, 403} if "security" in found else set())
    assert set(map(int, responses)) - {304, 429} == statuses | known
    for status, response in responses.items():
        if int(status) >= 400:
            assert list(response["content"]) == ["application/problem+json"]


def test_the_schemas_carry_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["NewLine"]["properties"]["sku"]["examples"] == ["A-1"]
    assert schemas["Order"]["properties"]["total"]["examples"] == [2500]
    assert schemas["NewOrder"]["additionalProperties"] is False
