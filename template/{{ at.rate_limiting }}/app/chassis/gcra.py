"""The generic cell rate algorithm (ITU-T I.371): a limit that needs one number for each client."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final

MOST_CLIENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`requests` in any `seconds`, at once or spread; then one more each time `seconds / requests` have passed."""

    requests: int
    seconds: float


# Not frozen: it is made for every request, and would take twice as long.
@dataclass(slots=True)
class Verdict:
    """`remaining` requests may follow at once, all of them again after `full` seconds; who was refused may come back
    after `wait` seconds.
    """

    allowed: bool
    remaining: int
    full: float
    wait: float = 0.0


def decide(limit: Limit, due: float, now: float) -> tuple[Verdict, float]:
    """The verdict on one request, and the moment at which its client will have used up nothing.

    `due` is that moment as it was before, anything in the past for a client that is new; times are in seconds.
    """
    seconds = limit.seconds
    step = seconds / limit.requests
    # A clock that was set back would otherwise keep a client waiting for as long as it was set back.
    used = min(max(due - now, 0.0), seconds)
    ahead = used + step
    if ahead > seconds + step * 1e-6:
        return Verdict(allowed=False, remaining=0, full=used, wait=ahead - seconds), now + used
    return Verdict(allowed=True, remaining=int((seconds - ahead) / step + 1e-6), full=ahead), now + ahead


class Memory:
    """What this process knows of its clients; those that have used up nothing are forgotten when it gets too much."""

    def __init__(self, clock: Callable[[], float] = monotonic, most: int = MOST_CLIENTS) -> None:
        self.clock = clock
        self.most = most
        self.due: dict[str, float] = {}
        # Under WSGI two threads may serve one client.
        self.lock = Lock()

    def take(self, key: str, limit: Limit) -> Verdict:
        now = self.clock()
        with self.lock:
            verdict, due = decide(limit, self.due.get(key, now), now)
            if len(self.due) >= self.most and key not in self.due:
                self.forget(now)
            self.due[key] = due
        return verdict

    def forget(self, now: float) -> None:
        self.due = {key: due for key, due in self.due.items() if due > now}
        if len(self.due) >= self.most:
            # All of them are busy: whoever came first is asked to begin anew, so that memory stays bounded.
            self.due = dict(list(self.due.items())[self.most // 2 :])
