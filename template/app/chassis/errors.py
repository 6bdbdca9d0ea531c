"""What can go wrong, and the one place that says it in HTTP: RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import orjson

from app.chassis.exchange import Headers, Reply, current

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """Raise one of these, or a subclass of your own, anywhere: the reply is its status and members.

    `detail` is shown to the client: no SQL, no paths, no secrets. `members` are RFC 9457 extension members.
    """

    status: ClassVar[int] = 500
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Forbidden(Problem):
    """Who asks is known and may not do this."""

    status = 403


class NotFound(Problem):
    """`raise NotFound("order", order_id)`"""

    status = 404

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"There is no {kind} {key}.")


class Conflict(Problem):
    """The rules forbid this in the present state."""

    status = 409


class Invalid(Problem):
    """The request was understood, its values were refused.

    `errors`: `[{"detail": ..., "pointer": "#/lines/0/sku"}]` for the body (RFC 6901), `"parameter"` for the rest.
    """

    status = 422

    def __init__(self, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail, errors=errors or [])


class Unavailable(Problem):
    """Something this service needs is away; the client may try again."""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class Expired(Problem):
    """The request's time is over: whatever it has begun is taken back."""

    status = 504


def expire(stage: str) -> Expired:
    """`raise expire("database")`: what to raise when the deadline is met, noted for the metrics."""
    exchange = current.get()
    if exchange is not None:
        exchange.expired = stage
    return Expired("The time that this request had is over.")


def problem(status: int, detail: str | None = None, **members: Any) -> bytes:
    """The body of a problem reply, with the trace id of the request that is being served."""
    body: dict[str, Any] = {"type": "about:blank", "title": title(status), "status": status}
    if detail:
        body["detail"] = detail
    exchange = current.get()
    if exchange is not None and exchange.trace_id:
        body["trace_id"] = f"{exchange.trace_id:032x}"
        body["request_id"] = exchange.request_id
    return orjson.dumps(body | members, default=str)


def problem_reply(status: int, detail: str | None = None, **members: Any) -> Reply:
    return Reply(status, problem(status, detail, **members))


def refusal(error: Exception) -> Reply:
    """What no framework has answered: a problem says how it wants to be told, the rest is told nothing about."""
    if not isinstance(error, Problem):
        return problem_reply(500)
    return Reply(error.status, problem(error.status, error.detail, **error.members), headers=encoded(error.headers))


def encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def refused_length(declared: str | bytes, limit: int) -> Reply | None:
    """What a Content-Length gets that is none or is over the limit, in bytes."""
    if not (declared.isascii() and declared.isdigit()):
        return problem_reply(400, "The Content-Length header is no number.")
    return too_large(limit) if int(declared[:20]) > limit else None


def too_large(limit: int) -> Reply:
    return problem_reply(413, f"The body is larger than {limit} bytes.")


def title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def validation_errors(errors: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Pydantic's errors (`loc` starting with body, query, path, header or cookie) as problem members."""
    return [{"detail": str(error["msg"]), **place(tuple(error["loc"]))} for error in errors]


def place(loc: tuple[Any, ...]) -> dict[str, str]:
    source, rest = (loc[0], loc[1:]) if loc else ("body", ())
    if source == "body":
        # A JSON syntax error is located by its offset alone: the pointer is then the whole document.
        steps = [str(step).replace("~", "~0").replace("/", "~1") for step in rest]
        return {"pointer": "#" + "".join(f"/{step}" for step in steps)}
    return {"parameter": str(rest[0]) if rest else str(source)}
