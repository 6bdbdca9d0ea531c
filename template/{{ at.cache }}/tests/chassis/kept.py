"""What the probe's cached functions load: files in a folder that the test has made, which says how the load goes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.chassis.auth import principal
from app.chassis.errors import NotFound


class Kept(BaseModel):
    text: str
    subject: str = ""


def loading(folder: str) -> Iterator[float]:
    """Seconds to wait, again and again until the load is over; each load is a line in `loads`."""
    here = Path(folder)
    with (here / "loads").open("a") as loads:
        loads.write("load\n")
    yield float(said(here, "seconds") or 0)
    while (here / "hold").exists():
        yield 0.005


def said(here: Path, name: str) -> str:
    return (here / name).read_text() if (here / name).exists() else ""


def begun(folder: str) -> str:
    """What is there when a load begins, which is what it will bring. Raises NotFound when there is nothing."""
    here = Path(folder)
    if (here / "fails").exists():
        raise RuntimeError("a load that a test wants to fail")
    if not (here / "value").exists():
        raise NotFound("value", here.name)
    return said(here, "value")


def brought(text: str) -> Kept:
    return Kept(text=text, subject=principal().subject)


def slow(folder: str) -> Kept:
    """A load in a thread."""
    text = ""
    waits = loading(folder)
    time.sleep(next(waits))
    text = begun(folder)
    for seconds in waits:
        time.sleep(seconds)
    return brought(text)


def unstorable() -> Any:
    return object()
