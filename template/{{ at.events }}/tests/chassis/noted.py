"""The event of these tests, and where its effects are."""

import os
import signal
import time
from asyncio import CancelledError
from typing import Any

from pydantic import BaseModel

from app.chassis.events.registry import event

TABLE = "CREATE TABLE IF NOT EXISTS chassis_probe_events (name VARCHAR(64), number INTEGER, place BIGINT)"
EFFECT = "INSERT INTO chassis_probe_events (name, number, place) VALUES ({name}, {number}, {place})"
EFFECTS = "SELECT number FROM chassis_probe_events WHERE name = {name} ORDER BY place"


@event("probe.noted", version=2)
class Noted(BaseModel):
    name: str
    number: int
    trouble: str = ""

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return 0.3 if self.trouble == "slow" else 0.0

    def effect(self) -> dict[str, Any]:
        """A row, and when it was made: in that order they are told."""
        return {"name": self.name, "number": self.number, "place": time.time_ns()}


class Asked(BaseModel):
    """What to publish in one transaction, and whether to take it back."""

    first: int = 0
    count: int = 1
    size: int = 0
    trouble: str = ""
    taken_back: bool = False

    def events(self, name: str) -> list[Noted]:
        trouble = self.trouble or "x" * self.size
        return [Noted(name=name, number=self.first + one, trouble=trouble) for one in range(self.count)]


def suffer(event: Noted) -> None:
    """What goes wrong with it, as long as nobody has found the mistake."""
    if os.environ.get("HEALED"):
        return
    if event.trouble == "fail":
        raise ValueError("told to fail")
    if event.trouble == "cancel":
        raise CancelledError
    if event.trouble == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
