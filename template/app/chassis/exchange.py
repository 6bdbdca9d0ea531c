"""One request and, later, its reply: all that a part knows of the protocol."""

from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from app.chassis.auth import Principal
    from app.chassis.errors import Problem
    from app.chassis.routes import Policy

Headers = list[tuple[bytes, bytes]]
UNMATCHED = "unmatched"
BODILESS = frozenset({"GET", "HEAD"})
"""Methods whose body, if there is one, nobody reads."""


@dataclass(slots=True)
class Reply:
    """A response that a part gives instead of the framework."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/problem+json"
    headers: Headers = field(default_factory=list)


class Exchange:
    """Made by the adapter before the parts run; `status` and `route` are known when they leave.

    `started` is in seconds of `time.perf_counter`, `seconds` is how long it took; `trace_id` is an integer of 128 bits,
    `span_id` and `parent_id` are of 64.
    `body_limit` is in bytes and honoured by the adapter, on the declared and on the streamed length; `deadline`, of
    `time.perf_counter` too, is honoured by it as far as it can.
    `client` is an address, `principal` whoever was authenticated, `subject` its name, `queued` how many
    seconds a trusted proxy kept the request; `expired` says where the deadline was met: queue, work, database or
    outbound. `policy` is for `routes`, which looks it up once; `rejected` is why a credential was refused, and
    `refusal` what to say of one that could not be checked. `wrote` is whether it has changed the database, `replica`
    whether its reads go to a copy of that, once it is known.
    """

    # Defaults live on the class: a request only pays for what it sets.
    span_kind = "SERVER"
    status = 500
    route = UNMATCHED
    seconds = 0.0
    body_limit: int | None = None
    deadline: float | None = None
    principal: "Principal | None" = None
    subject = ""
    rejected = ""
    refusal: "Problem | None" = None
    queued = 0.0
    expired = ""
    policy: "Policy | None" = None
    wrote = False
    replica: bool | None = None
    error: BaseException | None = None
    request_id = ""
    trace_id = 0
    parent_id = 0
    span_id = 0
    trace_flags = 0
    trace_state: str | None = None
    span: "Span | None" = None
    span_token: "Token[Context] | None" = None

    def __init__(self, method: str, path: str, client: str) -> None:
        self.method = method
        self.path = path
        self.client = client
        self.started = perf_counter()
        self.reply_headers: Headers = []

    def span_attributes(self) -> dict[str, str | int]:
        """What a span says of it, by OpenTelemetry's names."""
        return {
            "http.request.method": self.method,
            "http.route": self.route,
            "http.response.status_code": self.status,
            "url.path": self.path,
            "client.address": self.client,
        }

    @property
    def begun(self) -> bool:
        """Whether the reply has begun."""
        return "status" in self.__dict__

    def header(self, name: str) -> str | None:
        """The request header `name` (lower case), decoded as latin-1; each adapter knows where to look."""
        raise LookupError(name)


current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The request that the running code serves, if any: log lines and problems take their ids from it."""


def remaining() -> float | None:
    """Seconds that are left for the request which the running code serves; None if nothing limits it."""
    exchange = current.get()
    if exchange is None or exchange.deadline is None:
        return None
    return exchange.deadline - perf_counter()
