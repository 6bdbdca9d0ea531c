"""The smallest applications that take 20 ms."""

import asyncio
import time

BODY = b"ok"


async def asgi(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(0.02)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": BODY})


def wsgi(_environ, start_response) -> list[bytes]:
    time.sleep(0.02)
    start_response("200 OK", [("content-length", "2")])
    return [BODY]
