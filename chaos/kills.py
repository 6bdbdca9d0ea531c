"""Orders are placed while connections are reset, servers killed and database backends ended: is each there exactly once?"""

import asyncio
import json
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from load import Server, free_port

from chaos import effects, rendered
from chaos.effects import Attempt, Effect, Verdict
from chaos.proxy import Fault, Proxy
from chaos.rendered import Service

CLIENTS = 12
ATTEMPT_SECONDS = 3.0
THINK_SECONDS = 0.03
AGAIN_SECONDS = 0.03
FINISH_SECONDS = 15
FAULTY = 0.5
REQUEST_BYTES, REPLY_BYTES = 250, 300


@dataclass(frozen=True)
class Amount:
    """How often, at least; of `backends` a few are killed, which restarts PostgreSQL, and the others are terminated."""

    resets: int
    servers: int
    backends: int
    crashes: int = 0

    @property
    def total(self) -> int:
        return self.resets + self.servers + self.backends


FULL = Amount(resets=900, servers=50, backends=50, crashes=2)
SHORT = Amount(resets=20, servers=3, backends=7)
CONTROL = Amount(resets=60, servers=0, backends=0)
CRASHES = Amount(resets=0, servers=0, backends=3, crashes=3)


@dataclass
class Outcome:
    verdict: Verdict
    events: Counter[str]
    attempts: list[Attempt]
    unanswered: set[str]
    seconds: float

    @property
    def orders(self) -> int:
        return len({attempt.name for attempt in self.attempts})

    @property
    def replayed(self) -> int:
        return sum(attempt.replayed for attempt in self.attempts)

    @property
    def backends(self) -> int:
        return self.events["backends terminated"] + self.events["backends killed"]

    def __str__(self) -> str:
        events = ", ".join(f"{count} {name}" for name, count in self.events.items())
        statuses = Counter(str(attempt.status or "no answer") for attempt in self.attempts)
        answers = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
        return (
            f"{self.verdict}; {self.orders} orders in {len(self.attempts)} attempts ({answers}), {self.replayed} replayed; "
            f"{self.events.total()} events ({events}), {self.seconds:.0f} s"
        )


def run(service: Service, amount: Amount, *, keys: bool = True, seed: int = 1) -> Outcome:
    """Without `keys`, a client that gets no answer sends the same again and hopes."""
    return asyncio.run(Run(service, amount, keys, random.Random(seed)).run())  # noqa: S311 - the same dice every time


@dataclass
class Run:
    service: Service
    amount: Amount
    keys: bool
    dice: random.Random
    attempts: list[Attempt] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    breaking: bool = True

    async def run(self) -> Outcome:
        started = time.monotonic()
        self.port = free_port()
        await asyncio.to_thread(self.forget)
        async with Proxy(self.port, self.fault) as self.front, Proxy(self.service.postgresql.port) as self.behind:
            await self.start()
            try:
                clients = [asyncio.create_task(self.client(number)) for number in range(CLIENTS)]
                await asyncio.gather(self.kill_servers(), self.end_backends(), self.reset_behind(), self.wait_for_resets())
                self.breaking = False
                # Who is not answered by then is counted as such.
                _, late = await asyncio.wait(clients, timeout=FINISH_SECONDS)
                for client in late:
                    client.cancel()
                await asyncio.gather(*clients, return_exceptions=bool(late))
            finally:
                rendered.kill(self.server)
        self.events["resets"] += self.front.resets
        kind = "keys" if self.keys else "no-keys"
        effects.write(self.service.folder.with_suffix(f".{kind}.jsonl"), self.attempts)
        verdict = effects.check(self.attempts, await asyncio.to_thread(self.there))
        return Outcome(verdict, self.events, self.attempts, effects.unanswered(self.attempts), time.monotonic() - started)

    # -- clients --

    async def client(self, number: int) -> None:
        count = 0
        while self.breaking:
            count += 1
            await self.place(f"{self.dice.randrange(16**8):08x}-{number}-{count}")
            await asyncio.sleep(self.dice.random() * 2 * THINK_SECONDS)

    async def place(self, name: str) -> None:
        """Send it until there is a definite answer."""
        key = secrets.token_hex(16) if self.keys else None
        while True:
            attempt = await self.attempt(name, key)
            self.attempts.append(attempt)
            if attempt.acknowledged or attempt.refused:
                return
            await asyncio.sleep(self.dice.random() * 2 * AGAIN_SECONDS)

    async def attempt(self, name: str, key: str | None) -> Attempt:
        sent = time.monotonic()
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                answer, headers, body = await self.post(name, key)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return Attempt(name, key, sent)
        said = json.loads(body)
        replayed = "idempotency-replayed: true" in headers
        return Attempt(name, key, sent, time.monotonic(), answer, said.get("id"), replayed, said.get("detail"))

    async def post(self, name: str, key: str | None) -> tuple[int, str, bytes]:
        order = json.dumps({"currency": "EUR", "lines": [{"sku": name, "quantity": 2, "unit_price": 1250}]})
        return await post(self.front.port, "/v1/orders", order, {"Idempotency-Key": key} if key else {})

    # -- what breaks --

    def fault(self) -> Fault | None:
        """At every moment of the conversation: before the request, in it, while it is served, before the reply, in it."""
        if not self.breaking or self.dice.random() > FAULTY:
            return None
        return self.dice.choice(
            (
                Fault("server", 0),
                Fault("server", self.dice.randrange(1, REQUEST_BYTES)),
                Fault("server", None, seconds=self.dice.random() * 0.01),
                Fault("client", 0),
                Fault("client", self.dice.randrange(1, REPLY_BYTES)),
            )
        )

    async def wait_for_resets(self) -> None:
        while self.front.resets + self.events["resets to the database"] < self.amount.resets:
            await asyncio.sleep(0.05)

    async def reset_behind(self) -> None:
        """Between the service and its database: sometimes a commit is sent, and whether it was done is not heard."""
        while self.events["resets to the database"] < self.amount.resets // 10:
            await asyncio.sleep(self.dice.random() * 0.3)
            if self.behind.open:
                self.dice.choice(self.behind.open).reset()
                self.events["resets to the database"] += 1

    async def kill_servers(self) -> None:
        """As a machine does that runs out of memory: the worker alone or all of it; an orchestrator starts it anew."""
        for number in range(self.amount.servers):
            await asyncio.sleep(self.dice.random() * 0.6)
            workers = self.server.tree()[1:]
            if number % 2 and workers:
                os.kill(workers[-1], signal.SIGKILL)
                # The supervisor may take its time to notice; then it is no longer needed.
                await asyncio.sleep(0.1)
                self.events["workers killed"] += 1
            else:
                self.events["servers killed"] += 1
            rendered.kill(self.server)
            await self.start()

    async def start(self) -> None:
        database = self.service.postgresql.url(self.service.database, port=self.behind.port)
        self.server: Server = self.service.start(port=self.port, DATABASE_URL=database)
        await asyncio.to_thread(self.service.wait_until_ready, self.server)

    async def end_backends(self) -> None:
        crashes = self.amount.crashes
        while self.events["backends terminated"] + self.events["backends killed"] < self.amount.backends:
            await asyncio.sleep(self.dice.random() * 0.3)
            backends = await asyncio.to_thread(self.backends)
            if not backends:
                continue
            pid = backends[0]
            if crashes:
                crashes -= 1
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.events["backends killed"] += 1
                    await asyncio.to_thread(self.until_database_is_back)
            elif await asyncio.to_thread(self.terminate, pid):
                self.events["backends terminated"] += 1

    def backends(self) -> list[int]:
        """Of this service, those at work first."""
        where = f"datname = '{self.service.database}' AND pid <> pg_backend_pid()"
        listed = f"SELECT pid FROM pg_stat_activity WHERE {where} ORDER BY state = 'idle', random()"  # noqa: S608
        return [int(pid) for (pid,) in self.service.postgresql.ask("postgres", listed)]

    def terminate(self, pid: int) -> bool:
        return self.service.postgresql.ask("postgres", f"SELECT pg_terminate_backend({pid})") == [["t"]]

    def until_database_is_back(self) -> None:
        while self.service.postgresql.psql("postgres", "SELECT 1").returncode:
            time.sleep(0.05)

    # -- what is there --

    def forget(self) -> None:
        """What an earlier run has left."""
        self.service.postgresql.ask(self.service.database, f"TRUNCATE {', '.join(self.service.tables)}")

    def there(self) -> list[Effect]:
        orders, lines = self.service.tables
        query = f"SELECT orders.id, lines.sku FROM {orders} orders LEFT JOIN {lines} lines ON lines.order_id = orders.id"  # noqa: S608
        return [Effect(identity, name or None) for identity, name in self.service.postgresql.ask(self.service.database, query)]


async def post(port: int, path: str, body: str = "", more: Mapping[str, str] = MappingProxyType({})) -> tuple[int, str, bytes]:
    """Status, headers and body, on a connection of its own. Raises OSError or IncompleteReadError when that is not the whole answer."""
    headers = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"} | more
    head = "".join(f"{field}: {value}\r\n" for field, value in headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        # Without a body there is no length.
        length = int(answer.partition("content-length:")[2].split("\r\n", 1)[0] or 0)
        return int(answer[9:12]), answer, await reader.readexactly(length)
    finally:
        writer.transport.abort()
