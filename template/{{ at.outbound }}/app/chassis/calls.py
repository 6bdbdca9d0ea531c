"""One call of an HTTP client, from its place in the bulkhead to the end of its body; imported where httpx2 is."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

import httpcore2
import httpx2

from app.chassis import errors, tracing
from app.chassis.addresses import is_public
from app.chassis.bulkhead import Place
from app.chassis.client_credentials import HARMLESS, Tokens
from app.chassis.dependency import AGAIN, SAFE, Again, Attempt, Dependency, Plan, allowed, retry_after
from app.chassis.exchange import current
from app.chassis.failures import AddressRefused, BadAnswer, TimedOut, TooLarge, Unreachable

if TYPE_CHECKING:
    from opentelemetry.trace import Span

UNTIL: Final = "until"
UNAUTHORIZED: Final = 401
MOST_REDIRECTS: Final = 5
KEEP_SECONDS: Final = 5.0
BROKEN: Final = (
    httpcore2.NetworkError, httpcore2.RemoteProtocolError, httpcore2.ConnectionNotAvailable, OSError
)  # fmt: skip
OURS: Final = (httpcore2.LocalProtocolError, httpcore2.UnsupportedProtocol)
Url = httpx2.URL | str


class Address:
    """Where a client may go. `base` is the origin that its author wrote into the code."""

    def __init__(self, base_url: str, *, guarded: bool | None, schemes: Iterable[str]) -> None:
        """Everything is guarded but what was written into the code; True guards that as well, False guards nothing."""
        self.schemes = frozenset(schemes)
        self.allowed = allowed
        self.open = guarded is False
        self.home = origin(httpx2.URL(base_url)) if base_url else None
        self.trusted = {self.home[1:]} if self.home is not None and not guarded else set()

    def is_home(self, host: str, port: int) -> bool:
        """Whether it is the one at `base_url`, who may know who this service is."""
        return self.home is not None and self.home[1:] == (host, port)

    def is_guarded(self, host: str, port: int) -> bool:
        return not self.open and (host, port) not in self.trusted

    def check(self, url: httpx2.URL) -> bool:
        """Whether it is guarded. Raises AddressRefused for a scheme that is not allowed, and for no host."""
        guarded = self.is_guarded(*endpoint(url))
        if guarded and (url.scheme not in self.schemes or not url.host):
            raise AddressRefused
        return guarded

    def checked(self, found: list[str]) -> list[str]:
        """What a name leads to: all of it or none, as a name that also leads inside is not one to call."""
        networks = self.allowed()
        if not all(is_public(one, networks) for one in found):
            raise AddressRefused
        return found


def origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, *endpoint(url)


def endpoint(url: httpx2.URL) -> tuple[str, int]:
    """Host and port, as a connection is asked for."""
    return url.raw_host.decode("ascii"), url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


class Forgetful(DefaultCookiePolicy):
    """One client serves everybody: a cookie that is set for one caller must not be sent for another."""

    def set_ok(self, cookie: Any, request: Any) -> bool:  # noqa: ARG002 - the policy's signature
        return False


class Call:
    """`until` is of `time.perf_counter`; what holds resources ends with `finish`, once."""

    def __init__(
        self, dependency: Dependency, request: httpx2.Request, *, guarded: bool, tokens: Tokens | None
    ) -> None:
        self.dependency = dependency
        self.request = request
        self.guarded = guarded
        # What the caller sets itself stays.
        self.tokens = None if "authorization" in request.headers else tokens
        self.renewed = False
        self.begun = perf_counter()
        self.place: Place | None = None
        self.span: Span | None = None
        self.ended = False
        timeout = request.extensions[UNTIL] - self.begun
        self.plan = Plan(dependency, timeout, repeatable=is_repeatable(request), guarded=guarded)
        dependency.retries.earn()
        dependency.hedges.earn()
        exchange = current.get()
        if exchange is not None and exchange.span is not None:
            from app.chassis import outbound_spans  # noqa: PLC0415 - OpenTelemetry, only where spans are wanted

            self.span = outbound_spans.begin(request, dependency.name)

    def entered(self) -> None:
        """It holds its place."""
        self.dependency.waited(perf_counter() - self.begun)

    def message(self, attempt: Attempt) -> httpcore2.Request:
        """What is sent: the request, this trace, and how long the other side has."""
        seconds = attempt.deadline - perf_counter()
        given = self.request.extensions["timeout"]
        timeouts = {kind: min(seconds, given.get(kind) or seconds) for kind in ("connect", "read", "write", "pool")}
        url = self.request.url
        return httpcore2.Request(
            method=self.request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=[*self.request.headers.raw, *self.added_headers(seconds), *authorization(attempt)],
            content=cast("Any", self.request.stream),
            extensions={**self.request.extensions, "timeout": timeouts},
        )

    def added_headers(self, seconds: float) -> Iterator[tuple[bytes, bytes]]:
        if self.guarded:
            # A stranger: what this service is doing is none of its business.
            return
        added = {**self.trace_headers(), "x-request-timeout": f"{max(0.001, seconds):.3f}"}
        for name, value in added.items():
            if name not in self.request.headers:
                yield name.encode(), value.encode("latin-1")

    def trace_headers(self) -> dict[str, str]:
        if self.span is None:
            return tracing.outgoing()
        from app.chassis import outbound_spans  # noqa: PLC0415

        return outbound_spans.outgoing(self.span)

    def pause(self, attempt: Attempt, answer: httpcore2.Response) -> float | None:
        """Seconds until the next attempt, when this answer is worth one."""
        if answer.status == UNAUTHORIZED and self.renews(attempt):
            return 0.0
        if answer.status not in AGAIN:
            return None
        return self.plan.pause(retry_after(httpx2.Headers(answer.headers).get("retry-after")))

    def renews(self, attempt: Attempt) -> bool:
        """Whether the token that was refused gives way to another, once, and the body can be sent again."""
        if self.tokens is None or self.renewed:
            return False
        self.renewed = self.tokens.renew(attempt.token)
        return self.renewed and isinstance(self.request.stream, httpx2.ByteStream)

    def reason(self, error: Exception) -> Exception:
        """What to raise for this error: Again when there is another attempt, else what happened."""
        seconds = self.plan.pause(0.0) if is_their_fault(error) else None
        return explained(error, self.plan) if seconds is None else Again(seconds)

    def is_too_large(self, answer: httpcore2.Response) -> bool:
        """By its own account."""
        declared = httpx2.Headers(answer.headers).get("content-length", "")
        known = declared.isascii() and declared.isdigit() and self.request.method != "HEAD"
        return known and int(declared[:20]) > self.dependency.rules.limit

    def finish(self, *, status: int = 0, error: BaseException | None = None) -> None:
        if self.ended:
            return
        self.ended = True
        if self.place is not None:
            self.dependency.bulkhead.leave(self.place)
        self.dependency.ended(outcome(status, error))
        if self.span is not None:
            from app.chassis import outbound_spans  # noqa: PLC0415

            outbound_spans.end(self.span, status=status, error=error, resent=max(0, self.plan.tried - 1))


def authorization(attempt: Attempt) -> Iterator[tuple[bytes, bytes]]:
    if attempt.token:
        yield b"authorization", b"Bearer " + attempt.token.encode("ascii")


def is_repeatable(request: httpx2.Request) -> bool:
    """Whether a second attempt does no harm, and can be sent: a body that streams is gone with the first."""
    harmless = request.method in SAFE or "idempotency-key" in request.headers or HARMLESS in request.extensions
    return harmless and isinstance(request.stream, httpx2.ByteStream)


def outcome(status: int, error: BaseException | None) -> str:
    """One of few words: it becomes a label."""
    if error is None:
        return "error" if status >= 500 or status in AGAIN else "ok"
    if isinstance(error, errors.Problem):
        # CircuitOpen is circuit_open.
        return "".join(f"_{one.lower()}" if one.isupper() else one for one in type(error).__name__).lstrip("_")
    return "failed" if isinstance(error, Exception) else "cancelled"


def explained(error: Exception, plan: Plan) -> Exception:
    """What happened, in this service's words; a mistake of this service's own stays what it is."""
    if isinstance(error, (TimeoutError, httpcore2.TimeoutException)):
        return plan.late()
    if isinstance(error, BROKEN):
        return Unreachable(plan.dependency.name)
    if isinstance(error, OURS):
        kind: type[Exception] = getattr(httpx2, type(error).__name__)
        return kind(str(error))
    return error


def is_their_fault(error: BaseException) -> bool:
    """Whether another attempt may go better."""
    return isinstance(error, (TimeoutError, httpcore2.TimeoutException, *BROKEN))


def tell(attempt: Attempt, error: BaseException) -> None:
    """Let the breaker know of an attempt that ended with this error."""
    if isinstance(error, (TimeoutError, httpcore2.TimeoutException, TimedOut, errors.Expired)):
        attempt.timed_out()
    elif is_their_fault(error):
        attempt.settle(failed=True)
    else:
        attempt.withdraw()


class Rejected(BadAnswer, httpx2.HTTPStatusError):
    """What `raise_for_status` raises: httpx2's error, and a 503 (or a 502 where no other attempt would help)."""

    def __init__(self, name: str, error: httpx2.HTTPStatusError) -> None:
        httpx2.HTTPStatusError.__init__(self, str(error), request=error.request, response=error.response)
        again = error.response.status_code in AGAIN
        self.name, self.detail, self.members = name, self.text, {}
        self.status = 503 if again else 502  # type: ignore[misc]
        seconds = retry_after(error.response.headers.get("retry-after"))
        self.headers = {"Retry-After": f"{max(1, round(seconds))}"} if again else {}  # type: ignore[misc]


class Answer(httpx2.Response):
    """A response whose body is as large as the client takes, and no larger, when it is unpacked too."""

    call: Call

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        seen = 0
        for chunk in super().iter_bytes(chunk_size):
            seen += len(chunk)
            self.check(seen)
            yield chunk

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes]:
        seen = 0
        async for chunk in super().aiter_bytes(chunk_size):
            seen += len(chunk)
            self.check(seen)
            yield chunk

    def check(self, seen: int) -> None:
        if seen > self.call.dependency.rules.limit:
            failure = TooLarge(self.call.dependency.name)
            self.call.finish(error=failure)
            raise failure

    def raise_for_status(self) -> httpx2.Response:
        try:
            return super().raise_for_status()
        except httpx2.HTTPStatusError as error:
            raise Rejected(self.call.dependency.name, error) from error


def made(call: Call, answer: httpcore2.Response, stream: Any) -> httpx2.Response:
    """httpx2's response for that of httpcore2."""
    response = Answer(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)
    response.call = call
    return response


def time_limit(request: httpx2.Request, dependency: Dependency) -> float:
    """When the call's own time is over, of `time.perf_counter`: httpx2's largest timeout, if one was given."""
    given = [seconds for seconds in request.extensions.get("timeout", {}).values() if seconds is not None]
    return perf_counter() + (max(given) if given else dependency.timeout)


@cache
def default_context() -> SSLContext:
    """The system's trusted certificates, or those of SSL_CERT_FILE, read once: it takes long."""
    return httpx2.create_ssl_context()
