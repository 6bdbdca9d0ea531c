"""The load client where wrk is missing: `connections` keep-alive connections that ask again as soon as they are answered."""

import asyncio
import json
import sys
import time
from typing import ClassVar
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """Counts answers by their Content-Length."""

    errors = 0
    seconds: ClassVar[list[float]] = []

    def __init__(self, request: bytes) -> None:
        self.request, self.buffer = request, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self.buffer = body[length:]
            Connection.seconds.append(time.perf_counter() - self.asked)
            Connection.errors += not head.startswith(b"HTTP/1.1 2")
            self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.request)


async def main(url: str, connections: int, seconds: float, header: str) -> None:
    at = urlsplit(url)
    lines = [f"GET {at.path} HTTP/1.1", f"Host: {at.netloc}", *([header] if header else []), "", ""]
    request = "\r\n".join(lines).encode()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(request), at.hostname, at.port)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    answered = sorted(Connection.seconds)
    p99 = answered[len(answered) * 99 // 100] if answered else 0
    print(json.dumps({"requests": len(answered), "seconds": took, "errors": Connection.errors, "p99_us": p99 * 1e6}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), (sys.argv[4:] or [""])[0]))
