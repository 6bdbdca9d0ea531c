"""A route's handler, once for each key: the effect and the answer to it are one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from app.chassis import database, idempotency, transactions
from app.chassis.exchange import current
from app.chassis.idempotency import Answer, Asked, Overtaken, Stored, in_flight
from app.chassis.idempotency.models import KEYS

Handler = Callable[[Request], Awaitable[Response]]


def once(handler: Handler) -> Handler:
    async def keyed(request: Request) -> Response:
        exchange = current.get()
        key = None if exchange is None else idempotency.key_of(exchange)
        if exchange is None or key is None:
            return await handler(request)
        query, body = request.scope["query_string"], await request.body()
        asked = idempotency.asked(exchange, key, query=query, body=body)
        if not in_flight.enter(asked.id):
            return await repeated(asked)
        try:
            return await transactions.rerun(partial(first, asked, handler, request))
        except Overtaken:
            return await repeated(asked)
        finally:
            in_flight.leave(asked.id)

    return keyed


async def repeated(asked: Asked) -> Response:
    """The stored answer, while somebody else may be at work on it."""
    async with database.opened().sessions() as session:
        return respond(idempotency.replay(asked, await find(session, asked, alone=False)))


async def first(asked: Asked, handler: Handler, request: Request) -> Response:
    """The handler's answer, stored with whatever it has done; or the stored one, should this not be the first."""
    async with transaction(asked.id) as (session, alone):
        stored = await find(session, asked, alone=alone)
        if stored is not None or not alone:
            return respond(idempotency.replay(asked, stored))
        response = await joined(session, handler, request)
        if response.status_code < 400:
            await store(session, asked, idempotency.answer(response.status_code, headers(response), body(response)))
            await session.commit()
            idempotency.count("stored")
        return response


async def joined(session: AsyncSession, handler: Handler, request: Request) -> Response:
    """Let the handler's `Depends(session)` be this one."""
    with database.inside(session):
        async with AsyncExitStack() as stack:
            # Dependencies of this scope end with the function: what they do then has to be before the commit.
            request.scope["fastapi_function_astack"] = stack
            return await handler(request)


# -- the database ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def transaction(key_id: str) -> AsyncIterator[tuple[AsyncSession, bool]]:
    """A session, and whether nobody else is at work on this key; what is not committed is rolled back."""
    opened = database.opened()
    # The connection outlives the transaction: it may hold a lock that has to be given back.
    async with opened.engine.connect() as connection:
        alone = False
        try:
            async with opened.sessions(bind=connection) as session:
                alone = await asking(await session.connection(), in_flight.claim, key_id)
                yield session, alone
        finally:
            if alone:
                await release(connection, key_id)


async def release(connection: AsyncConnection, key_id: str) -> None:
    try:
        await asking(connection, in_flight.release, key_id)
    except BaseException as error:
        # A server forgets the locks of a connection that is gone.
        await connection.invalidate()
        if not isinstance(error, Exception):
            raise


async def asking(connection: AsyncConnection, what: Callable[..., Any], key_id: str) -> Any:
    return await connection.run_sync(lambda sync: what(partial(ask, sync), key_id))


def ask(connection: Connection, statement: str, value: str) -> Any:
    return connection.execute(text(statement.replace("?", ":value")), {"value": value}).scalar()


async def find(session: AsyncSession, asked: Asked, *, alone: bool) -> Stored | None:
    query = select(KEYS.c.request, KEYS.c.status, KEYS.c.headers, KEYS.c.body, KEYS.c.created_at)
    query = query.where(KEYS.c.id == asked.id)
    # Whoever is alone will write: SQLite must know from the first statement on.
    row = (await session.execute(query.with_for_update() if alone else query)).first()
    if row is None:
        return None
    if row.created_at > idempotency.oldest(datetime.now(UTC)):
        return idempotency.as_stored(request=row.request, status=row.status, headers=row.headers, body=row.body)
    if alone:
        await session.execute(delete(KEYS).where(KEYS.c.id == asked.id))
    return None


async def store(session: AsyncSession, asked: Asked, answer: Answer) -> None:
    """Raises Overtaken: locks can be lost, the primary key has the last word."""
    # Whatever else breaks a constraint is the view's own failure.
    await session.flush()
    row = {
        "id": asked.id,
        "caller": asked.caller,
        "key": asked.key,
        "request": asked.request,
        "status": answer.status,
        "headers": idempotency.as_text(answer.headers),
        "body": answer.body,
        "created_at": datetime.now(UTC),
    }
    try:
        await session.execute(insert(KEYS).values(row))
    except IntegrityError:
        raise Overtaken from None


# -- responses ---------------------------------------------------------------------------------------------------------


def headers(response: Response) -> Any:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)


def body(response: Response) -> Any:
    found = getattr(response, "body", None)
    return bytes(found) if isinstance(found, memoryview) else found


def respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers += [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    return response
