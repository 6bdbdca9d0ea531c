"""What a framework's OpenAPI document leaves out: every failure is a problem, and which ones a client can meet."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from app.chassis import routes
from app.chassis.errors import CONTENT_TYPE
from app.chassis.parts import PARTS

Document = dict[str, Any]

PROBLEM: Document = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status"],
    "examples": [{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no order 7."}],
}


def problems(*statuses: int) -> dict[int | str, Document]:
    """`responses=problems(404, 409)`: what can go wrong in this FastAPI route alone; the rest is known."""
    return {status: problem(status) for status in statuses}


def problem(status: int) -> Document:
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def with_problems(document: Document) -> Document:
    """The same document, changed: routes declare the failures of their own, what the chassis answers is known."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        # What FastAPI would say of a refused value, were it not a problem.
        schemas.pop(name, None)
    for part in PARTS:
        if hasattr(part, "schemes"):
            document["components"].setdefault("securitySchemes", {}).update(part.schemes())
    documents = [part.document for part in PARTS if hasattr(part, "document")]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for describe in documents:
                describe(routes.policy_at(method.upper(), path), operation)
            responses = {str(status): response for status, response in operation["responses"].items()}
            # "4XX" and "default" are whatever the route says they are.
            failures = {int(status) for status in responses if status.isdigit() and status >= "400"}
            for status in failures.union(always(operation)):
                responses[str(status)] = problem(status)
            operation["responses"] = {status: responses[status] for status in sorted(responses)}
    return document


def always(operation: Document) -> Iterator[int]:
    """Which failures come from the chassis, whatever the route does."""
    yield from (400, 500, 503)
    if operation.get("parameters"):
        yield 422
    if "requestBody" in operation:
        yield from (413, 415, 422)
