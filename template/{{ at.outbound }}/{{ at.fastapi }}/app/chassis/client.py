"""httpx2's asynchronous client, with everything that keeps a call from hurting this service or the one it calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from time import perf_counter
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
from app.chassis.network import Network

if TYPE_CHECKING:
    from app.chassis.bearer import Bearer

Fallback = Callable[[httpx2.Request, DependencyFailed], httpx2.Response | Awaitable[httpx2.Response]]
Tried = tuple[Attempt, httpcore2.Response]


class Client(httpx2.AsyncClient):
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

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        request.extensions[UNTIL] = time_limit(request, self.dependency)
        try:
            response = await self.sent(request, **options)
        except DependencyFailed as failure:
            return await self.instead(request, failure)
        if self.fallback is None or response.status_code not in AGAIN:
            return response
        await response.aclose()
        return await self.instead(request, BadAnswer(self.dependency.name))

    async def sent(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return await super().send(request, **options)
        except httpx2.TooManyRedirects as error:
            raise TooManyRedirects(self.dependency.name) from error
        except (httpx2.RemoteProtocolError, httpx2.DecodingError) as error:
            # A redirect to what is no URL, a body that is not packed as it says.
            raise Unreachable(self.dependency.name) from error

    async def instead(self, request: httpx2.Request, failure: DependencyFailed) -> httpx2.Response:
        if self.fallback is None:
            raise failure
        response = self.fallback(request, failure)
        response = await response if isawaitable(response) else response
        response.request = request
        return response


class Transport(httpx2.AsyncBaseTransport):
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
        self.pool: httpcore2.AsyncConnectionPool | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        guarded = self.address.check(request.url)
        call = Call(self.dependency, request, guarded=guarded, tokens=self.tokens_for(request.url))
        try:
            await self.enter(call)
            return await self.persist(call)
        except BaseException as error:
            call.finish(error=error)
            raise

    def tokens_for(self, url: httpx2.URL) -> Tokens | None:
        """Those of this client, for what is at its `base_url`: a redirect must not carry one away."""
        if self.bearer is None or origin(url) != self.address.home:
            return None
        return self.bearer.tokens

    async def enter(self, call: Call) -> None:
        """Wait for a place in the bulkhead. Raises BulkheadFull."""
        turn = asyncio.Event()
        call.place = place = self.dependency.bulkhead.enter(turn.set)
        if place is None:
            raise BulkheadFull(self.dependency.name)
        if not place.held:
            try:
                async with asyncio.timeout(call.plan.left()):
                    await turn.wait()
            except TimeoutError as error:
                raise BulkheadFull(self.dependency.name) from error
        call.entered()

    async def persist(self, call: Call) -> httpx2.Response:
        async for again in retry_context(on=pause_of, attempts=None, timeout=None):
            with again:
                return await self.try_once(call)
        raise AssertionError("the last attempt answers or raises")

    async def try_once(self, call: Call) -> httpx2.Response:
        """Raises Again when there is to be another attempt."""
        hedged = self.dependency.rules.hedged and call.request.method == "GET"
        try:
            attempt, answer = await (self.hedge(call) if hedged else self.attempt(call))
        except Exception as error:
            reason = call.reason(error)
            if reason is error:
                raise
            raise reason from error
        seconds = call.pause(attempt, answer)
        if seconds is not None:
            attempt.settle(failed=False)
            await answer.aclose()
            raise Again(seconds)
        if call.is_too_large(answer):
            attempt.settle(failed=False)
            await answer.aclose()
            raise TooLarge(self.dependency.name)
        return made(call, answer, Body(call, attempt, answer))

    async def attempt(self, call: Call) -> Tried:
        # Before the attempt begins: how long it takes says nothing of the service that is called.
        attempt = Attempt(call.plan, await self.token(call))
        try:
            async with asyncio.timeout(attempt.deadline - perf_counter()):
                pool = await self.opened()
                answer = await pool.handle_async_request(call.message(attempt))
        except BaseException as error:
            tell(attempt, error)
            raise
        attempt.answered(answer.status)
        return attempt, answer

    async def token(self, call: Call) -> str:
        """What this attempt says who it is with; nothing where there is none to be said."""
        if self.bearer is None or call.tokens is None:
            return ""
        return await self.bearer.token(call.plan.left())

    async def hedge(self, call: Call) -> Tried:
        """The first answer of two, when the first attempt is later than 95 of 100 calls are."""
        late = self.dependency.latencies.p95
        tasks = [asyncio.create_task(self.attempt(call))]
        winner = None
        try:
            await asyncio.wait(tasks, timeout=late)
            if not tasks[0].done() and self.dependency.hedges.spend():
                tasks.append(asyncio.create_task(self.attempt(call)))
            winner = await first_answer(tasks)
            if len(tasks) > 1:
                self.dependency.hedge_ended(won=winner is tasks[1])
            return winner.result()
        finally:
            for task in tasks:
                if task is not winner:
                    await drop(task)

    async def opened(self) -> httpcore2.AsyncConnectionPool:
        """The connections, which belong to one event loop."""
        loop = asyncio.get_running_loop()
        if self.pool is None or self.loop is not loop:
            context = self.verify or await asyncio.to_thread(default_context)
            if self.pool is None or self.loop is not loop:
                self.loop = loop
                self.pool = httpcore2.AsyncConnectionPool(
                    ssl_context=context,
                    max_connections=None,
                    max_keepalive_connections=self.dependency.bulkhead.most,
                    keepalive_expiry=KEEP_SECONDS,
                    network_backend=Network(self.address, self.papers),
                )
        return self.pool

    async def aclose(self) -> None:
        """Close what is open; the next call opens it again. Connections of another event loop are left to that one."""
        if self.pool is not None and self.loop is asyncio.get_running_loop():
            pool, self.pool = self.pool, None
            await pool.aclose()


async def first_answer(tasks: "list[asyncio.Task[Tried]]") -> "asyncio.Task[Tried]":
    """The first that answers; if none does, the first."""
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task
    return tasks[0]


async def drop(task: "asyncio.Task[Tried]") -> None:
    """End an attempt that nobody waits for any more."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        attempt, answer = task.result()
        attempt.withdraw()
        await answer.aclose()


class Body(httpx2.AsyncByteStream):
    """The reply's body, which comes within the call's time; its end is the call's end."""

    def __init__(self, call: Call, attempt: Attempt, answer: httpcore2.Response) -> None:
        self.call = call
        self.attempt = attempt
        self.answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self.answer.aiter_stream())
        try:
            while (chunk := await self.next_of(chunks)) is not None:
                yield chunk
        except Exception as error:
            tell(self.attempt, error)
            reason = explained(error, self.call.plan)
            self.call.finish(error=reason)
            if reason is error:
                raise
            raise reason from error

    async def next_of(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        async with asyncio.timeout(self.call.plan.left()):
            return await anext(chunks, None)

    async def aclose(self) -> None:
        try:
            await self.answer.aclose()
        finally:
            self.attempt.settle(failed=False)
            self.call.finish(status=self.answer.status)
