"""The service as a WSGI application: the parts around Django."""

import os
from typing import Any

from app.chassis.edge import Edge
from app.chassis.parts import PARTS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")


def load() -> Any:
    # Imported when the service is loaded: /livez answers while this takes its time.
    from app.chassis.framework import build  # noqa: PLC0415

    return build()


application = Edge(load, PARTS)
