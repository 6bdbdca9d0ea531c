"""What the relay and the consumer know of a broker, whichever it is."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

CONTENT_TYPE: Final = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way; `body` is its whole envelope, and events of one `key` keep their order."""

    id: str
    type: str
    key: str
    body: bytes


def nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event that has arrived; until `ack` is called the broker brings it again, and says so in `redelivered`.

    It does not while this process is at it, which has ended without `ack` when `drop` is called.
    """

    body: bytes
    redelivered: bool
    ack: Callable[[], Awaitable[None]]
    drop: Callable[[], None] = nothing


class Refused(Exception):
    """The broker will never take this one, however often it is offered."""


Receive = Callable[[Incoming], Awaitable[None]]


class Transport(Protocol):
    """A connection; whatever it raises but `Refused` may be cured by trying again."""

    async def publish(self, event: Outgoing) -> None:
        """Returns when the broker has it for good."""

    async def subscribe(self, types: Iterable[str], receive: Receive) -> None:
        """From now on `receive` gets the group's events of these types, one call after the other."""

    async def unsubscribe(self) -> None:
        """No event comes any more; those that have come can still be acknowledged."""

    async def lag(self) -> dict[str, int]:
        """How many events the group has not handled, by type."""


Connect = Callable[[], AbstractAsyncContextManager[Transport]]
