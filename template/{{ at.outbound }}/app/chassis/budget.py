"""What may be spent on calls beyond the first: a share of the recent ones, so that retries cannot make an outage worse.

The Google SRE book, "Handling Overload", and Finagle's retry budgets.
"""

import threading
from typing import Final

# Whole numbers: ten times a tenth is one.
TOKEN: Final = 10_000


class Budget:
    """A bucket of tokens: each call puts `share` of one in, each extra call takes one out, at most `most` are kept.

    The first token is an advance on the first calls, so that a service which has just started can try again too. Over
    any calls, in a row and from the first, the extra ones are at most max(1, share * calls); over any in between, at
    most most + share * calls. Safe for threads.
    """

    def __init__(self, share: float, *, most: int = 10) -> None:
        self._income = round(share * TOKEN)
        self._most = most * TOKEN
        self._kept = TOKEN
        self._owed = TOKEN
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        return self._kept / TOKEN

    def earn(self) -> None:
        """A call is made."""
        with self._lock:
            paid = min(self._owed, self._income)
            self._owed -= paid
            self._kept = min(self._most, self._kept + self._income - paid)

    def spend(self) -> bool:
        """Whether there is a token for one more."""
        with self._lock:
            if self._kept < TOKEN:
                return False
            self._kept -= TOKEN
            return True
