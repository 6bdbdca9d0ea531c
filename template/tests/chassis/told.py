"""What a test tells the probe's own readiness check: a file in the folder that the probe runs in."""

from pathlib import Path

from app.chassis.readiness import NotReady

ASKED, ANSWER = "asked", "answer"


def told() -> float:
    """Seconds that the check takes, one line in `asked` for each time; raises what a test wrote into `answer`."""
    with Path(ASKED).open("a") as asked:
        asked.write("asked\n")
    answer = Path(ANSWER).read_text() if Path(ANSWER).exists() else "0"
    if answer == "not ready":
        raise NotReady("a test said so")
    if answer == "broken":
        raise RuntimeError("no connection to postgresql://ada:hunter2@10.0.0.7/orders")
    return float(answer)
