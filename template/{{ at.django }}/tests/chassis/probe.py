"""The service with routes that only its conformance tests need: `python -m tests.chassis.probe`."""

import os
import sys
import time
from typing import Any

from app.chassis.edge import Edge
from app.chassis.parts import PARTS
from app.chassis.server import run
from tests.chassis.told import told

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")


def load() -> Any:
    from django.conf import settings  # noqa: PLC0415 - as app.wsgi does it

    from app.chassis.framework import build  # noqa: PLC0415

    settings.ROOT_URLCONF = "tests.chassis.probe_urls"
    return build()


def check() -> None:
    time.sleep(told())


application = Edge(load, (*PARTS, sys.modules[__name__]))

if __name__ == "__main__":
    run("tests.chassis.probe:application")
