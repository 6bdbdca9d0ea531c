"""How a call to another service can fail: problems, so that what nobody handles is a 502, 503 or 504 and not a 500."""

import math

from app.chassis.errors import Problem, Unavailable


class DependencyFailed(Unavailable):
    """`name` is the client's, `retry_after` in seconds; the error behind it, if there is one, is its cause."""

    text = "A service that is needed does not answer."

    def __init__(self, name: str, *, retry_after: float = 1.0) -> None:
        super().__init__(self.text)
        self.name = name
        self.headers = {"Retry-After": str(max(1, math.ceil(retry_after)))}  # type: ignore[misc]


class Unreachable(DependencyFailed):
    """No connection, or one that broke, or something that is no HTTP."""


class TimedOut(DependencyFailed):
    """The call's own time was over, and not the request's: that is `errors.Expired`."""

    status = 504


class CircuitOpen(DependencyFailed):
    """So many calls have failed that this one was not made."""


class BulkheadFull(DependencyFailed):
    """So many calls are being made that this one was not."""

    text = "A service that is needed is busy."


class NoToken(DependencyFailed):
    """The authorization server gave no token to call it with; the log says why."""


class BadAnswer(DependencyFailed):
    """It answered 429, 502, 503 or 504, and there is no attempt left."""

    text = "A service that is needed cannot answer now."


class TooLarge(DependencyFailed):
    """The body is larger than the client takes, before or after it was unpacked."""

    status = 502
    text = "A service that is needed gave an answer that is too large."


class TooManyRedirects(DependencyFailed):
    """It sends the call from one address to the next."""

    status = 502
    text = "A service that is needed redirects too often."


class AddressRefused(Problem):
    """A URL that this service does not call; the reply does not say what it leads to."""

    status = 422

    def __init__(self) -> None:
        super().__init__("This URL may not be called.")
