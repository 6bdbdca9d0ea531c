"""A worker that knows the jobs of the modules that TRIAL names."""

import os

from app.chassis.background import start
from app.chassis.jobs.declared import MODULES
from app.chassis.parts import PARTS


def main() -> None:
    MODULES.extend(f"tests.chassis.{name}" for name in os.environ["TRIAL"].split())
    start(["worker"], PARTS)
