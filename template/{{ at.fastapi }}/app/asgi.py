"""The service as an ASGI application: the parts around FastAPI."""

from typing import Any

from app.chassis.edge import Edge
from app.chassis.parts import PARTS


def load() -> Any:
    # Imported when the service is loaded: /livez answers while this takes its time.
    from app.main import create_app  # noqa: PLC0415

    return create_app()


application = Edge(load, PARTS)
