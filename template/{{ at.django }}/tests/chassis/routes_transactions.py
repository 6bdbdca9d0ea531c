"""Work that others get in the way of: so many of its attempts are `lost`."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connection, connections, transaction
from django.http import HttpRequest
from ninja import Router

from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis.rivals import IMPATIENT, LEVEL, PATIENT, REFUSE, REFUSES, SYSTEM, TABLE, WAITED_FOR, WEIGHT

router = Router()
attempts: Counter[str] = Counter()


@router.put("/rows")
def make_table(request: HttpRequest) -> bool:
    execute(TABLE)
    return bool(scalar(REFUSES))


@router.put("/rows/{name}", response={204: None})
def make_rows(request: HttpRequest, name: str) -> tuple[int, None]:
    for side in (0, 1):
        insert(name, side)
    return 204, None


@router.get("/rows/{name}")
def rows(request: HttpRequest, name: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM chassis_probe_rows WHERE name = %s AND side < 2 ORDER BY side", [name])
        return {"numbers": [number for (number,) in cursor.fetchall()], "attempts": attempts[name]}


@router.post("/rows/{name}/stale")
def stale(request: HttpRequest, name: str, lost: int) -> int:
    with that_begin_by_reading():
        return in_transaction(add_one, name=name, lost=lost)


@router.post("/rows/{name}/nested")
def nested(request: HttpRequest, name: str, lost: int) -> int:
    """How often the outer one was begun."""
    begun = itertools.count(1)

    def work() -> int:
        number = next(begun)
        isolate()
        in_transaction(add_one, name=name, lost=lost, isolated=True)
        add(name, 1)
        return number

    with that_begin_by_reading():
        return in_transaction(work)


@router.post("/rows/{name}/within")
def within(request: HttpRequest, name: str, lost: int) -> int:
    """Its own transaction has begun before."""
    with that_begin_by_reading(), transaction.atomic():
        isolate()
        read(name)
        return in_transaction(add_one, name=name, lost=lost, isolated=True)


@router.post("/rows/{name}/skew")
def skew(request: HttpRequest, name: str, lost: int) -> int:
    return in_transaction(add_both, name=name, lost=lost)


@router.post("/rows/{name}/deadlock")
def deadlock(request: HttpRequest, name: str, lost: int) -> int:
    return in_transaction(cross, name=name, lost=lost)


@router.post("/rows/{name}/keyed", response={200: int, 418: int})
@declare(idempotent=True)
def keyed(request: HttpRequest, name: str, lost: int = 0, status: int = 200) -> tuple[int, int]:
    return status, in_transaction(cross, name=name, lost=lost)


@router.post("/rows/{name}/held")
def held(request: HttpRequest, name: str) -> None:
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            add(name, 0)
            taken.set()
            done.wait()

    rival = beside(hold)
    taken.wait()
    try:
        in_transaction(take, name=name)
    finally:
        done.set()
        rival.join()


@router.post("/rows/{name}/twice")
def twice(request: HttpRequest, name: str) -> None:
    in_transaction(insert_again, name=name)


@router.post("/rows/{name}/commits")
def commits(request: HttpRequest, name: str) -> None:
    in_transaction(commit, name=name)


# -- work --------------------------------------------------------------------------------------------------------------


def add_one(*, name: str, lost: int, isolated: bool = False) -> int:
    """What somebody has read is written by another before he comes to it."""
    attempts[name] += 1
    if not isolated:
        isolate()
    number = read(name)
    if attempts[name] <= lost:
        beside(partial(add, name, 0)).join()
    add(name, 0)
    return number + 1


def add_both(*, name: str, lost: int) -> int:
    """Each reads what the other writes: found out when the second one commits."""
    attempts[name] += 1
    isolate()
    number = read(name)
    add(name, 0)
    if attempts[name] <= lost:
        beside(partial(add_back, name)).join()
    return number + 1


@transaction.atomic
def add_back(name: str) -> None:
    isolate()
    read(name)
    add(name, 1)


def cross(*, name: str, lost: int) -> int:
    """Each has what the other wants."""
    attempts[name] += 1
    execute(IMPATIENT)
    add(name, 0)
    if attempts[name] > lost:
        add(name, 1)
        return attempts[name]
    taken = threading.Event()
    rival = beside(partial(cross_back, name, taken))
    try:
        taken.wait()
        while not scalar(WAITED_FOR):
            time.sleep(0.005)
        add(name, 1)
    finally:
        rival.join()
    return attempts[name]


@transaction.atomic
def cross_back(name: str, taken: threading.Event) -> None:
    execute(PATIENT)
    for side in WEIGHT:
        insert(name, side * 100 + attempts[name])
    add(name, 1)
    taken.set()
    add(name, 0)


def take(*, name: str) -> None:
    attempts[name] += 1
    execute("SELECT * FROM chassis_probe_rows WHERE name = %s FOR UPDATE NOWAIT", name)


def insert_again(*, name: str) -> None:
    attempts[name] += 1
    insert(name, 0)


def commit(*, name: str) -> None:
    attempts[name] += 1
    add(name, 0)
    transaction.commit()


# -- statements --------------------------------------------------------------------------------------------------------


def beside(work: Callable[[], Any]) -> threading.Thread:
    """In another thread, which has another connection."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@contextmanager
def that_begin_by_reading() -> Iterator[None]:
    """SQLite's transactions begin with the write lock here: whoever changes that can lose, too."""
    if SYSTEM != "sqlite":
        yield
        return
    connection.ensure_connection()
    own: Any = connections["default"]
    mode, own.transaction_mode = own.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        own.transaction_mode = mode


def isolate() -> None:
    if REFUSE:
        execute(REFUSE)
    if LEVEL:
        execute(f"SET TRANSACTION ISOLATION LEVEL {LEVEL}")


def read(name: str) -> int:
    return int(scalar("SELECT SUM(number) FROM chassis_probe_rows WHERE name = %s", name) or 0)


def add(name: str, side: int) -> None:
    execute("UPDATE chassis_probe_rows SET number = number + 1 WHERE name = %s AND side = %s", name, side)


def insert(name: str, side: int) -> None:
    execute("INSERT INTO chassis_probe_rows (name, side, number) VALUES (%s, %s, 0)", name, side)


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def scalar(statement: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]
