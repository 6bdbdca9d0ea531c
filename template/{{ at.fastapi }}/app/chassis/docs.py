"""The documentation page, without scripts from anywhere else: Swagger UI's files come from an installed package."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from app.chassis import about

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <link rel="icon" href="/docs/assets/favicon.png">
  <link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/docs/assets/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""
# A file and not a line in the page: the page's policy runs no inline scripts.
START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true});\n"""


def install(app: FastAPI) -> None:
    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(directory=assets()))


async def page(_request: Request) -> Response:
    return HTMLResponse(PAGE.format(title=about.NAME))


async def start(_request: Request) -> Response:
    return Response(START, media_type="text/javascript")


def assets() -> Path:
    """Found, not imported: the package's code would patch FastAPI, and only its files are wanted."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package fastapi-offline is missing: run `uv sync`")
    return Path(spec.origin).parent / "static"
