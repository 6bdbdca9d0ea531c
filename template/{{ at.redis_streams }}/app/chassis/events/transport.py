"""Events over Redis streams: one stream for each type, a consumer group for each group of consumers."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pydantic import Field, ValidationInfo, field_validator

from app.chassis.events.broker import Incoming, Outgoing, Receive
from app.chassis.settings import BaseSettings, in_production, load, split_url

if TYPE_CHECKING:
    from redis.asyncio import Redis

ANSWER_SECONDS: Final = 5.0
BLOCK_SECONDS: Final = 1.0
READ: Final = 100
CONNECTIONS: Final = 16
FIELD: Final = b"event"
# How often in the time of an acknowledgement the server hears that an event is still at work.
KEPT_TIMES: Final = 3
# Older ones go when newer ones come, by the server's clock.
KEPT_SECONDS: Final = 7 * 86_400
# A consumer that has nothing and has asked for nothing for that long belongs to a process that is gone.
GONE_SECONDS: Final = 3600


class Settings(BaseSettings):
    events_redis_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where the Redis or Valkey of events is; required in production.",
        examples=["redis://localhost:6379/0"],
    )
    events_redis_prefix: str = Field(
        "events",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="What the names of the streams begin with.",
        examples=["events"],
    )
    events_redis_ack_wait: float = Field(
        60.0,
        ge=1,
        le=43_200,
        description="Seconds after which an event that nobody has acknowledged is delivered again.",
        examples=["60"],
    )

    @field_validator("events_redis_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no event would leave this service")
        if value and split_url(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("is for no Redis: it begins with redis://, rediss:// or unix://")
        return value


def given() -> bool:
    """Whether there is a broker."""
    return bool(load(Settings).events_redis_url)


@asynccontextmanager
async def connect() -> AsyncIterator["Connection"]:
    """Raises whatever is in the way."""
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - the loops do, not the start

    settings = load(Settings)
    pool = BlockingConnectionPool.from_url(
        settings.events_redis_url,
        max_connections=CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        # What is tried again here is tried again by the loops, which wait in between.
        retry=None,
    )
    connection = Connection(Redis(connection_pool=pool), settings)
    try:
        await connection.redis.ping()
        yield connection
    finally:
        await connection.unsubscribe()
        await connection.redis.aclose()
        await pool.disconnect()


class Connection:
    def __init__(self, redis: "Redis", settings: Settings) -> None:
        from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - it imports this module

        self.redis: Any = redis
        self.settings = settings
        self.group = load(Events).events_group
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.streams: dict[str, str] = {}
        self.held: set[tuple[str, bytes]] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.oldest: dict[str, str] = {}

    def stream(self, kind: str) -> str:
        return f"{self.settings.events_redis_prefix}:{kind}"

    async def publish(self, event: Outgoing) -> None:
        stream = self.stream(event.type)
        # Where to cut off is said by the server's clock: ours may jump.
        number = await self.redis.xadd(stream, {FIELD: event.body}, minid=self.oldest.get(stream), approximate=True)
        self.oldest[stream] = f"{max(0, int(number.split(b'-')[0]) - KEPT_SECONDS * 1000)}-0"

    # -- consuming

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        self.streams = {kind: self.stream(kind) for kind in types}
        for stream in self.streams.values():
            await self.join(stream)
        if self.streams:
            loops = (self.read(receive), self.reclaim(receive), self.keep())
            self.tasks = [asyncio.create_task(loop) for loop in loops]

    async def join(self, stream: str) -> None:
        from redis.exceptions import ResponseError  # noqa: PLC0415

        try:
            await self.redis.xgroup_create(stream, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        for one in await self.redis.xinfo_consumers(stream, self.group):
            # With what it has not acknowledged a consumer would take that along.
            if not one["pending"] and one["idle"] > GONE_SECONDS * 1000:
                await self.redis.xgroup_delconsumer(stream, self.group, one["name"])

    async def read(self, receive: Receive) -> None:
        """What nobody has had before."""
        waiting = dict.fromkeys(self.streams.values(), ">")
        while True:
            found = await self.redis.xreadgroup(
                self.group, self.consumer, waiting, count=READ, block=int(BLOCK_SECONDS * 1000)
            )
            for stream, entries in found.items() if isinstance(found, dict) else found or ():
                await self.deliver(stream.decode(), entries, receive, redelivered=False)

    async def reclaim(self, receive: Receive) -> None:
        """What somebody had and has not acknowledged for too long."""
        idle = self.settings.events_redis_ack_wait
        while True:
            for stream in self.streams.values():
                start: Any = "0-0"
                while start not in {b"0-0", None}:
                    start, entries, *_ = await self.redis.xautoclaim(
                        stream, self.group, self.consumer, int(idle * 1000), start, count=READ
                    )
                    await self.deliver(stream, entries, receive, redelivered=True)
            await asyncio.sleep(idle / 2)

    async def keep(self) -> None:
        """What we hold is ours for as long again.

        Else a backlog that takes longer than that would be taken from one another, and nothing would be done but that.
        """
        idle = self.settings.events_redis_ack_wait
        while True:
            await asyncio.sleep(idle / KEPT_TIMES)
            for stream in self.streams.values():
                numbers = [number for name, number in self.held if name == stream]
                if numbers:
                    await self.redis.xclaim(stream, self.group, self.consumer, 0, numbers, justid=True)

    async def deliver(self, stream: str, entries: Any, receive: Receive, *, redelivered: bool) -> None:
        arrived = [(number, fields) for number, fields in _flat(entries) if (stream, number) not in self.held]
        # Those that wait for `receive`, too.
        self.held.update((stream, number) for number, _ in arrived)
        for number, fields in arrived:
            ack, drop = partial(self.acknowledge, stream, number), partial(self.drop, stream, number)
            await receive(Incoming(fields.get(FIELD, b""), redelivered, ack, drop))

    async def acknowledge(self, stream: str, number: bytes) -> None:
        try:
            await self.redis.xack(stream, self.group, number)
        finally:
            # If that got lost it comes again.
            self.drop(stream, number)

    def drop(self, stream: str, number: bytes) -> None:
        self.held.discard((stream, number))

    async def unsubscribe(self) -> None:
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(BaseException):
                await task

    async def lag(self) -> dict[str, int]:
        for task in self.tasks:
            if task.done():
                # Whatever has ended it.
                task.result()
        behind = {}
        for kind, stream in self.streams.items():
            for one in await self.redis.xinfo_groups(stream):
                if one["name"] == self.group.encode():
                    behind[kind] = (one["lag"] or 0) + one["pending"]
        if not self.streams:
            await self.redis.ping()
        return behind


def _flat(entries: Any) -> Iterable[tuple[bytes, dict[bytes, bytes]]]:
    """Entries that were cut off while somebody had them have no fields any more."""
    for one in entries:
        # redis-py has a list around the entries of a stream where it speaks RESP3.
        yield from ((number, fields or {}) for number, fields in (one if isinstance(one, list) else [one]))
