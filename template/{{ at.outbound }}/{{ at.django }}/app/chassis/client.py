"""httpx2's client, with everything that keeps a call from hurting this service or the one it calls."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2
from stamina import retry_context

from app.chassis.calls import (
    KEEP_SECONDS,
    MOST_REDIRECTS,
    UNTIL,
    Address,
    Call,
    Forgetful,
    Url,
    default_context,
    explained,
    made,
    origin,
    tell,
    time_limit,
)
from app.chassis.certificates import Papers
from app.chassis.client_credentials import Tokens
from app.chassis.dependency import AGAIN, Again, Attempt, Dependency, pause_of
from app.chassis.failures import (
    AddressRefused,
    BadAnswer,
    BulkheadFull,
    DependencyFailed,
    TooLarge,
    TooManyRedirects,
    Unreachable,
)
from app.chassis.network import Network, until

if TYPE_CHECKING:
    from app.chassis.bearer import Bearer

Fallback = Callable[[httpx2.Request, DependencyFailed], httpx2.Response]
Tried = tuple[Attempt, httpcore2.Response]


class Client(httpx2.Client):
    """An ordinary client. Its connections open with the first call, and the service closes them when it stops."""

    def __init__(self, wire: "Transport", *, fallback: Fallback | None, **options: Any) -> None:
        self.wire = wire
        self.dependency = wire.dependency
        self.address = wire.address
        self.fallback = fallback
        # httpx2's own limits say nothing by default: OUTBOUND_TIMEOUT is read with the first call.
        given: dict[str, Any] = {"timeout": None, **options}
        super().__init__(transport=self.wire, max_redirects=MOST_REDIRECTS, trust_env=False, **given)
        self.cookies.jar.set_policy(Forgetful())

    def build_request(self, method: str, url: Url, **options: Any) -> httpx2.Request:
        try:
            return super().build_request(method, url, **options)
        except httpx2.InvalidURL as error:
            if self.address.trusted or self.address.open:
                raise
            raise AddressRefused from error

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        request.extensions[UNTIL] = time_limit(request, self.dependency)
        try:
            response = self.sent(request, **options)
        except DependencyFailed as failure:
            return self.instead(request, failure)
        if self.fallback is None or response.status_code not in AGAIN:
            return response
        response.close()
        return self.instead(request, BadAnswer(self.dependency.name))

    def sent(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return super().send(request, **options)
        except httpx2.TooManyRedirects as error:
            raise TooManyRedirects(self.dependency.name) from error
        except (httpx2.RemoteProtocolError, httpx2.DecodingError) as error:
            # A redirect to what is no URL, a body that is not packed as it says.
            raise Unreachable(self.dependency.name) from error

    def instead(self, request: httpx2.Request, failure: DependencyFailed) -> httpx2.Response:
        if self.fallback is None:
            raise failure
        response = self.fallback(request, failure)
        response.request = request
        return response


class Transport(httpx2.BaseTransport):
    """The stages, from the bulkhead to the attempt."""

    def __init__(
        self,
        dependency: Dependency,
        address: Address,
        *,
        verify: Any,
        papers: Papers | None = None,
        bearer: "Bearer | None" = None,
    ) -> None:
        self.dependency = dependency
        self.address = address
        self.verify = verify
        self.papers = papers
        self.bearer = bearer
        self.lock = threading.Lock()
        self.pool: httpcore2.ConnectionPool | None = None
        self.threads: ThreadPoolExecutor | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        guarded = self.address.check(request.url)
        call = Call(self.dependency, request, guarded=guarded, tokens=self.tokens_for(request.url))
        try:
            self.enter(call)
            return self.persist(call)
        except BaseException as error:
            call.finish(error=error)
            raise

    def tokens_for(self, url: httpx2.URL) -> Tokens | None:
        """Those of this client, for what is at its `base_url`: a redirect must not carry one away."""
        if self.bearer is None or origin(url) != self.address.home:
            return None
        return self.bearer.tokens

    def enter(self, call: Call) -> None:
        """Wait for a place in the bulkhead. Raises BulkheadFull."""
        turn = threading.Event()
        call.place = place = self.dependency.bulkhead.enter(turn.set)
        if place is None or not (place.held or turn.wait(call.plan.left())):
            raise BulkheadFull(self.dependency.name)
        call.entered()

    def persist(self, call: Call) -> httpx2.Response:
        for again in retry_context(on=pause_of, attempts=None, timeout=None):
            with again:
                return self.try_once(call)
        raise AssertionError("the last attempt answers or raises")

    def try_once(self, call: Call) -> httpx2.Response:
        """Raises Again when there is to be another attempt."""
        hedged = self.dependency.rules.hedged and call.request.method == "GET"
        try:
            attempt, answer = self.hedge(call) if hedged else self.attempt(call)
        except Exception as error:
            reason = call.reason(error)
            if reason is error:
                raise
            raise reason from error
        seconds = call.pause(attempt, answer)
        if seconds is not None:
            attempt.settle(failed=False)
            answer.close()
            raise Again(seconds)
        if call.is_too_large(answer):
            attempt.settle(failed=False)
            answer.close()
            raise TooLarge(self.dependency.name)
        return made(call, answer, Body(call, attempt, answer))

    def attempt(self, call: Call) -> Tried:
        # Before the attempt begins: how long it takes says nothing of the service that is called.
        attempt = Attempt(call.plan, self.token(call))
        try:
            with until(attempt.deadline):
                answer = self.opened().handle_request(call.message(attempt))
        except BaseException as error:
            tell(attempt, error)
            raise
        attempt.answered(answer.status)
        return attempt, answer

    def token(self, call: Call) -> str:
        """What this attempt says who it is with; nothing where there is none to be said."""
        if self.bearer is None or call.tokens is None:
            return ""
        return self.bearer.token(call.plan.left())

    def hedge(self, call: Call) -> Tried:
        """The first answer of two, when the first attempt is later than 95 of 100 calls are."""
        late = self.dependency.latencies.p95
        if late is None:
            return self.attempt(call)
        tasks = [self.beside(call)]
        wait(tasks, timeout=late)
        if not tasks[0].done() and self.dependency.hedges.spend():
            tasks.append(self.beside(call))
        winner = first_answer(tasks)
        if len(tasks) > 1:
            self.dependency.hedge_ended(won=winner is tasks[1])
        for task in tasks:
            if task is not winner:
                # A thread cannot be stopped: it ends with its attempt's time at the latest.
                task.add_done_callback(drop)
        return winner.result()

    def beside(self, call: Call) -> "Future[Tried]":
        with self.lock:
            if self.threads is None:
                most = 2 * self.dependency.bulkhead.most
                self.threads = ThreadPoolExecutor(most, thread_name_prefix=self.dependency.name)
        return self.threads.submit(copy_context().run, self.attempt, call)

    def opened(self) -> httpcore2.ConnectionPool:
        with self.lock:
            if self.pool is None:
                self.pool = httpcore2.ConnectionPool(
                    ssl_context=self.verify or default_context(),
                    max_connections=None,
                    max_keepalive_connections=self.dependency.bulkhead.most,
                    keepalive_expiry=KEEP_SECONDS,
                    network_backend=Network(self.address, self.papers),
                )
            return self.pool

    def close(self) -> None:
        """Close what is open; the next call opens it again."""
        with self.lock:
            pool, self.pool = self.pool, None
            threads, self.threads = self.threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
        if pool is not None:
            pool.close()


def first_answer(tasks: "list[Future[Tried]]") -> "Future[Tried]":
    """The first that answers; if none does, the first."""
    waiting = set(tasks)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task
    return tasks[0]


def drop(task: "Future[Tried]") -> None:
    """Nobody waits for this attempt any more."""
    if not task.cancelled() and task.exception() is None:
        attempt, answer = task.result()
        attempt.withdraw()
        answer.close()


class Body(httpx2.SyncByteStream):
    """The reply's body, which comes within the call's time; its end is the call's end."""

    def __init__(self, call: Call, attempt: Attempt, answer: httpcore2.Response) -> None:
        self.call = call
        self.attempt = attempt
        self.answer = answer

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self.answer.iter_stream())
        try:
            while (chunk := self.next_of(chunks)) is not None:
                yield chunk
        except Exception as error:
            tell(self.attempt, error)
            reason = explained(error, self.call.plan)
            self.call.finish(error=reason)
            if reason is error:
                raise
            raise reason from error

    def next_of(self, chunks: Iterator[bytes]) -> bytes | None:
        self.call.plan.left()
        with until(self.call.plan.deadline):
            return next(chunks, None)

    def close(self) -> None:
        try:
            self.answer.close()
        finally:
            self.attempt.settle(failed=False)
            self.call.finish(status=self.answer.status)
