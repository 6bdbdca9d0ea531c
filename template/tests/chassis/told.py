"""What a test tells the probe: files in the folder that it runs in."""

import time
from pathlib import Path

from app.chassis.readiness import NotReady

ASKED, ANSWER = "asked", "answer"


def told() -> float:
    """Seconds that the probe's own readiness check takes, a line in `asked` each time; raises what `answer` says."""
    with Path(ASKED).open("a") as asked:
        asked.write("asked\n")
    answer = Path(ANSWER).read_text() if Path(ANSWER).exists() else "0"
    if answer == "not ready":
        raise NotReady("a test said so")
    if answer == "broken":
        raise RuntimeError("no connection to postgresql://ada:hunter2@10.0.0.7/orders")
    return float(answer)


def stand_still(until: str) -> None:
    """Keep the thread until there is a file of that name, or for half a minute."""
    deadline = time.monotonic() + 30
    while not Path(until).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
