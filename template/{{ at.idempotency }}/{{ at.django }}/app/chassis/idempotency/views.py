"""A view, once for each key: the effect and the answer to it are one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from app.chassis import idempotency, transactions
from app.chassis.exchange import current
from app.chassis.idempotency import Answer, Asked, Overtaken, Stored, in_flight
from app.chassis.idempotency.models import Key

View = Callable[..., HttpResponseBase]


def once(view: View) -> View:
    if iscoroutinefunction(view):
        raise TypeError("a view that is declared idempotent is no coroutine: its thread has the transaction")

    @wraps(view)
    def keyed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        exchange = current.get()
        key = None if exchange is None else idempotency.key_of(exchange)
        if exchange is None or key is None:
            return view(request, *args, **kwargs)
        asked = idempotency.asked(exchange, key, query=request.META["QUERY_STRING"].encode(), body=request.body)
        if not in_flight.enter(asked.id):
            return repeated(asked)
        try:
            return transactions.rerun(partial(first, asked, partial(view, request, *args, **kwargs)))
        except Overtaken:
            return repeated(asked)
        finally:
            in_flight.leave(asked.id)

    return keyed


def repeated(asked: Asked) -> HttpResponse:
    """The stored answer, while somebody else may be at work on it."""
    return respond(idempotency.replay(asked, find(asked, alone=False)))


def first(asked: Asked, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The view's answer, stored with whatever it has done; or the stored one, should this not be the first."""
    with claimed(asked.id) as alone:
        stored = find(asked, alone=alone)
        if stored is not None or not alone:
            return respond(idempotency.replay(asked, stored))
        response = view()
        failed = response.status_code >= 400
        if failed:
            transaction.set_rollback(True)
        else:
            store(asked, idempotency.answer(response.status_code, iter(response.items()), body(response)))
    if not failed:
        idempotency.count("stored")
    return response


# -- the database ------------------------------------------------------------------------------------------------------


@contextmanager
def claimed(key_id: str) -> Iterator[bool]:
    """A transaction; whether nobody else is at work on this key."""
    alone = False
    try:
        with transaction.atomic():
            alone = in_flight.claim(ask, key_id)
            yield alone
    finally:
        if alone:
            release(key_id)


def release(key_id: str) -> None:
    try:
        in_flight.release(ask, key_id)
    except Exception:  # noqa: BLE001 - the request has its answer
        # A server forgets the locks of a connection that is gone.
        connection.close()


def ask(statement: str, value: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("?", "%s"), [value])
        (answer,) = cursor.fetchone()
    return answer


def find(asked: Asked, *, alone: bool) -> Stored | None:
    query = Key.objects.filter(id=asked.id)
    row = (query.select_for_update() if alone else query).first()
    if row is None:
        return None
    if row.created_at > idempotency.oldest(datetime.now(UTC)):
        return idempotency.as_stored(request=row.request, status=row.status, headers=row.headers, body=row.body)
    if alone:
        query.delete()
    return None


def store(asked: Asked, answer: Answer) -> None:
    """Raises Overtaken: locks can be lost, the primary key has the last word."""
    try:
        Key.objects.create(
            id=asked.id,
            caller=asked.caller,
            key=asked.key,
            request=asked.request,
            status=answer.status,
            headers=idempotency.as_text(answer.headers),
            body=answer.body,
            created_at=datetime.now(UTC),
        )
    except IntegrityError:
        raise Overtaken from None


# -- responses ---------------------------------------------------------------------------------------------------------


def body(response: HttpResponseBase) -> Any:
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return getattr(response, "content", None) if not response.streaming else None


def respond(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    return response
