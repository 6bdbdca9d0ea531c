"""The smallest applications that say no, but for /livez."""

BODY = b'{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"' + b"x" * 100 + b'"}'
HEADERS = [("content-type", "application/problem+json"), ("content-length", str(len(BODY))), ("retry-after", "2")]
ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS]


async def asgi(scope, receive, send):
    """For granian's ASGI."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200 if scope["path"] == "/livez" else 503, "headers": ENCODED})
    await send({"type": "http.response.body", "body": BODY})


def wsgi(environ, start_response):
    """For granian's WSGI."""
    start_response("200 OK" if environ["PATH_INFO"] == "/livez" else "503 Service Unavailable", HEADERS)
    return [BODY]
