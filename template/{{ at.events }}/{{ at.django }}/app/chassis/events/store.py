"""The tables of events, as the relay and the consumer use them: in threads, each with a connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from django.db import DatabaseError, connection, models, transaction
from django.db.models import Exists, F, OuterRef
from pydantic import BaseModel

from app.chassis import database, transactions
from app.chassis.events import claims, figures, rows
from app.chassis.events.company import Member
from app.chassis.events.models import Attempt, Handled, Letter, Outgoing, Partition
from app.chassis.events.rows import Claim, DeadLetter, Sample, Waiting

ASYNCHRONOUS: Final = False
EXPIRED_AT_ONCE: Final = 1000
Result = TypeVar("Result")
Call = Callable[[Any], Any]

# A transaction belongs to a thread: the relay's has one to itself.
_relay = ThreadPoolExecutor(1, "relay")
_others = ThreadPoolExecutor(64, "events")
_after = -1


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """For a command: nothing, as connections open when they are needed."""
    yield


def is_transient(error: BaseException) -> bool:
    """Whether the database is away, and nobody's fault is counted."""
    return isinstance(error, DatabaseError) and database.is_unavailable(error)


async def threaded(work: Callable[..., Result], *args: Any, pool: ThreadPoolExecutor = _others) -> Result:
    call = partial(copy_context().run, work, *args)
    return await asyncio.get_running_loop().run_in_executor(pool, call)


@contextmanager
def connected() -> Iterator[None]:
    """As around a request: a connection that died is replaced, and one of a pool goes back to it."""
    database.renew_connection()
    try:
        yield
    finally:
        database.renew_connection()


# -- the outbox --------------------------------------------------------------------------------------------------------


async def prepare() -> None:
    await threaded(make_partitions)


@connected()
def make_partitions() -> None:
    """The rows to lock."""
    there = set(Partition.objects.values_list("id", flat=True))
    for number in set(range(rows.PARTITIONS)) - there:
        _insert_new(Partition, id=number)


@asynccontextmanager
async def claimed(most: int) -> AsyncIterator[Claim]:
    """Events that no other relay has; those that are done leave the outbox when this ends."""
    one = claiming(most)
    claim = await threaded(one.__enter__, pool=_relay)
    try:
        yield claim
    except BaseException as error:
        await threaded(one.__exit__, type(error), error, error.__traceback__, pool=_relay)
        raise
    await threaded(one.__exit__, None, None, None, pool=_relay)


@contextmanager
def claiming(most: int) -> Iterator[Claim]:
    with connected(), claims.alone() as alone:
        if not alone:
            yield Claim([])
            return
        with transaction.atomic() if claims.LOCKS else nullcontext():
            claim = _take(most)
            yield claim
            _settle(claim)


def _take(most: int) -> Claim:
    global _after
    waits = Exists(Outgoing.objects.filter(partition_id=OuterRef("id")))
    # Each in its turn, whoever is busy.
    later = models.ExpressionWrapper(models.Q(id__lte=_after), output_field=models.BooleanField())
    query = Partition.objects.filter(waits).order_by(later, "id")
    if claims.LOCKS:
        query = query.select_for_update(skip_locked=True)
    partitions = list(query.values_list("id", flat=True)[: rows.TAKEN])
    if not partitions:
        return Claim([])
    _after = partitions[-1]
    oldest = Outgoing.objects.filter(partition_id__in=partitions).order_by("id")
    found = oldest.values_list("id", "message_id", "type", "key", "body")[:most]
    waiting = [Waiting(number, message, kind, key, bytes(body)) for number, message, kind, key, body in found]
    return Claim(waiting, more=len(partitions) == rows.TAKEN or len(waiting) == most)


def _settle(claim: Claim) -> None:
    gone = [*claim.done, *(row.id for row, _ in claim.refused)]
    if gone:
        with transaction.atomic():
            for row, error in claim.refused:
                _bury(rows.refused(row, error))
            Outgoing.objects.filter(id__in=gone).delete()


async def sample() -> Sample:
    return await threaded(sampled)


@connected()
def sampled() -> Sample:
    depth = Outgoing.objects.all()[: rows.MOST_COUNTED].count()
    return Sample(depth, Outgoing.objects.order_by("id").values_list("created_at", flat=True).first())


def check() -> None:
    """Raises Degraded when events wait for too long; a database that is away is for `database` to say."""
    try:
        figures.sampled(sampled())
    except Exception:  # noqa: BLE001 - as above
        return
    finally:
        # Checks run in threads of their own, and a connection belongs to its thread.
        connection.close()
    figures.complain()


# -- the inbox ---------------------------------------------------------------------------------------------------------


async def handle(ident: str, call: Call, payload: BaseModel, *, tried: bool = False, letter: int = 0) -> bool:
    """Whether the handler had its effect now; False when it had it before. What it does is one transaction."""
    return await threaded(partial(handled, ident, call, payload, tried=tried, letter=letter))


@connected()
def handled(ident: str, call: Call, payload: BaseModel, *, tried: bool = False, letter: int = 0) -> bool:
    def once() -> bool:
        fresh = _insert_new(Handled, id=ident, handled_at=datetime.now(UTC))
        if tried:
            Attempt.objects.filter(id=ident).delete()
        if letter:
            Letter.objects.filter(id=letter).delete()
        if fresh:
            call(payload)
            _check_kept(ident)
        return fresh

    return transactions.in_transaction(once)


def _check_kept(ident: str) -> None:
    """Raises when a commit would keep nothing: a handler may catch the error that has taken its transaction back."""
    if not Handled.objects.filter(id=ident).exists():
        raise RuntimeError("the handler went on after its transaction was taken back")


class Known(Exception):
    """Some of them had their effects before."""


async def handle_all(members: Sequence[Member]) -> bool:
    """Whether each had its effect now, all in one transaction; False when some had it before, and nothing is done."""
    return await threaded(all_handled, members)


@connected()
def all_handled(members: Sequence[Member]) -> bool:
    def once() -> None:
        # In one order everywhere: two that wait for each other's rows would wait for good.
        idents, now = sorted(one.ident for one in members), datetime.now(UTC)
        if _insert_all(Handled, [{"id": ident, "handled_at": now} for ident in idents]) < len(members):
            raise Known
        for one in members:
            with one.unit():
                one.handler.call(one.payload)
        _check_kept(members[0].ident)

    try:
        transactions.in_transaction(once)
    except Known:
        return False
    return True


async def attempt(ident: str) -> int:
    """Which attempt the next one is: the first was counted by nobody."""
    return await threaded(counted, ident)


@connected()
def counted(ident: str) -> int:
    with transaction.atomic():
        tries = None
        # Another process that has it, too, may be about to forget its row.
        while tries is None:
            _insert_new(Attempt, id=ident, tries=1, counted_at=datetime.now(UTC))
            Attempt.objects.filter(id=ident).update(tries=F("tries") + 1)
            tries = Attempt.objects.filter(id=ident).values_list("tries", flat=True).first()
        return tries


async def expire(before: datetime) -> None:
    await threaded(expired, before)


@connected()
def expired(before: datetime) -> None:
    """Forget what was handled before, so few at a time that nobody waits for their locks."""
    for old in (Handled.objects.filter(handled_at__lt=before), Attempt.objects.filter(counted_at__lt=before)):
        while ids := list(old.values_list("id", flat=True)[:EXPIRED_AT_ONCE]):
            old.model.objects.filter(id__in=ids).delete()


# -- dead letters ------------------------------------------------------------------------------------------------------


async def bury(letter: DeadLetter) -> None:
    await threaded(buried, letter)


@connected()
def buried(letter: DeadLetter) -> None:
    with transaction.atomic():
        Attempt.objects.filter(id=letter.message).delete()
        if not Handled.objects.filter(id=letter.message).exists():
            _bury(letter)


def _bury(letter: DeadLetter) -> None:
    """Once, however often it fails."""
    _insert_new(Letter, **letter.columns())


async def letters() -> list[DeadLetter]:
    return await threaded(listed)


@connected()
def listed() -> list[DeadLetter]:
    names = tuple(DeadLetter.__slots__)
    found = [dict(zip(names, row, strict=True)) for row in Letter.objects.order_by("id").values_list(*names)]
    return [DeadLetter(**row | {"body": bytes(row["body"])}) for row in found]


async def drop(number: int) -> None:
    await threaded(dropped, number)


@connected()
def dropped(number: int) -> None:
    Letter.objects.filter(id=number).delete()


async def put_back(row: dict[str, Any], number: int) -> None:
    await threaded(returned, row, number)


@connected()
def returned(row: dict[str, Any], number: int) -> None:
    """What the broker refused waits in the outbox again."""
    with transaction.atomic():
        Outgoing.objects.create(**row)
        Letter.objects.filter(id=number).delete()


# -- both --------------------------------------------------------------------------------------------------------------


def _insert_new(model: type[models.Model], **values: Any) -> bool:
    """Whether it was not there."""
    return bool(_insert_all(model, [values]))


def _insert_all(model: type[models.Model], many: Sequence[dict[str, Any]]) -> int:
    """How many were not there."""
    names = list(many[0])
    fields: list[Any] = [model._meta.get_field(name) for name in names]  # noqa: SLF001 - Django's documented way
    adapted = [field.get_db_prep_save(row[field.name], connection) for row in many for field in fields]
    slots = ", ".join(["(" + ", ".join(["%s"] * len(names)) + ")"] * len(many))
    table = model._meta.db_table  # noqa: SLF001 - as above
    statement = f"{claims.INSERT} {table} ({', '.join(names)}) VALUES {slots} {claims.UNLESS_THERE}"
    with connection.cursor() as cursor:
        cursor.execute(statement, adapted)
        return int(cursor.rowcount)


def settle() -> None:
    """For tests: relay and handle what waits, and what comes of that, until nothing does."""
    from app.chassis.events.settling import settled  # noqa: PLC0415 - for tests alone

    make_partitions()
    while True:
        with claiming(rows.PARTITIONS) as claim:
            for row in claim.rows:
                for ident, call, payload in settled(row):
                    handled(ident, call, payload)
                claim.done.append(row.id)
        if not claim.rows:
            return
