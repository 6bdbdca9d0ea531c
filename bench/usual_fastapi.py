"""FastAPI the usual way: the three packages that a search for logs, metrics and traces finds first."""

import time
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request, Response
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from prometheus_fastapi_instrumentator import Instrumentator

import usual

usual.log_json()
usual.trace_requests()
# Its own telemetry off: the instrumentation makes the spans.
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False})
log = structlog.stdlib.get_logger("access")


@app.middleware("http")
async def log_request(request: Request, call_next) -> Response:
    structlog.contextvars.clear_contextvars()
    request_id = request.headers.get("x-request-id") or str(uuid4())
    structlog.contextvars.bind_contextvars(request_id=request_id)
    started = time.perf_counter()
    response = await call_next(request)
    log.info(
        "http.request",
        method=request.method,
        path=request.url.path,
        status=response.status_code,
        duration_ms=round((time.perf_counter() - started) * 1e3, 3),
    )
    response.headers["x-request-id"] = request_id
    return response


@app.get("/bench")
async def answer() -> dict[str, str | int]:
    return {"message": "hello", "number": 42}


Instrumentator().instrument(app).expose(app)
FastAPIInstrumentor.instrument_app(app)
