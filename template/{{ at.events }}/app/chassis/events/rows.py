"""What is kept of events in the database: how many partitions there are, and what the rows say."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

from app.chassis.events.envelope import Envelope

PARTITIONS: Final = 16
"""Events of one partition are published one batch after the other; another number would mix up those that wait."""
TAKEN: Final = 4
"""How many of them a relay takes at a time: that many times less, and relays are at work side by side."""
MOST_COUNTED: Final = 100_000
"""Events in the outbox beyond which it is not counted how many more there are."""
ERROR_LENGTH: Final = 4000
RELAY: Final = "relay"
"""What stands for the handler of a dead letter that the broker has refused."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of the outbox."""

    id: int
    message_id: str
    type: str
    key: str
    body: bytes


@dataclass(slots=True)
class Claim:
    """A batch that no other relay has: whoever has it says what became of it before the claim ends.

    `more` says that others wait, as far as could be seen.
    """

    rows: list[Waiting]
    more: bool = False
    done: list[int] = field(default_factory=list)
    refused: list[tuple[Waiting, Exception]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be handled; `message` tells the same one from others, an empty `handler` is nobody's."""

    message: str
    handler: str
    type: str
    error: str
    tries: int
    body: bytes
    failed_at: datetime
    id: int = 0

    def columns(self) -> dict[str, Any]:
        """What a new row says; the database numbers it."""
        return {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The outbox at a moment: how many events wait, and since when the oldest does."""

    depth: int
    oldest: datetime | None


def letter(message: str, handler: str, kind: str, *, error: str, tries: int, body: bytes) -> DeadLetter:
    """One that fails now."""
    now = datetime.now(UTC)
    return DeadLetter(message, handler, plain(kind, 255), plain(error, ERROR_LENGTH), tries, body, now)


def refused(row: Waiting, error: Exception) -> DeadLetter:
    """An event of this service that the broker does not take."""
    return letter(row.message_id, RELAY, row.type, error=said(error), tries=1, body=row.body)


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def partition(key: str) -> int:
    """The same in every process and release."""
    return crc32(key.encode()) % PARTITIONS


def inbox_id(envelope: Envelope, handler: str) -> str:
    """What stands for an event at one handler: source and id are what CloudEvents tells events apart by."""
    digest = blake2b(f"{envelope.source}\n{envelope.id}\n{handler}".encode(), digest_size=12).hexdigest()
    # In front, for identifiers that grow with time keep the end of an index in use, and not all of it.
    return f"{envelope.id[:36]}.{digest}" if envelope.id.isascii() and envelope.id.isprintable() else digest


def digest_of(body: bytes) -> str:
    """What stands for a message that is no event."""
    return blake2b(body, digest_size=24).hexdigest()


def plain(text: str, length: int) -> str:
    """What any database takes for a text."""
    return text.encode(errors="replace").decode().replace("\0", "")[:length]
