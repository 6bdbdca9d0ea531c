"""CloudEvents 1.0: what is said of every event, in its structured JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from app.chassis import about

SPECVERSION: Final = "1.0"
SOURCE: Final = f"/{about.NAME}"
LONGEST: Final = 512
# Names of attributes are lower-case letters and digits alone; the first two are the extension for distributed tracing.
CARRIED: Final = {"traceparent": "traceparent", "tracestate": "tracestate", "requestid": "x-request-id"}


class Malformed(Exception):
    """No event that this service could read."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`version` is the schema's, `key` whose events keep their order, `sequence` grows with each event of a source.

    `carrier` has the ids of the request that published it.
    """

    id: str
    source: str
    type: str
    version: int
    key: str
    time: str
    data: Any
    sequence: str = ""
    carrier: Mapping[str, str] = field(default_factory=dict)


def compose(envelope: Envelope) -> bytes:
    """The JSON object. `sequence` is left out: the outbox gives it."""
    said: dict[str, Any] = {
        "specversion": SPECVERSION,
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.key,
        "time": envelope.time,
        "datacontenttype": "application/json",
        "schemaversion": envelope.version,
        "partitionkey": envelope.key,
    }
    said |= {name: envelope.carrier[header] for name, header in CARRIED.items() if header in envelope.carrier}
    return orjson.dumps(said | {"data": envelope.data})


def numbered(body: bytes, sequence: int) -> bytes:
    """The same with its place among the events of this service: a text, which sorts as the number does."""
    # Put in front without reading the rest: the relay does this for every event.
    return b'{"sequence":"%020d",%s' % (sequence, body[1:])


def parse(body: bytes) -> Envelope:
    """Raises Malformed."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"no JSON: {error}") from None
    if not isinstance(said, dict) or said.get("specversion") != SPECVERSION:
        raise Malformed("no CloudEvent of version 1.0 in JSON")
    version = said.get("schemaversion", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Malformed("its schemaversion is no whole number from 1 on")
    return Envelope(
        id=_text(said, "id", required=True),
        source=_text(said, "source", required=True),
        type=_text(said, "type", required=True),
        version=version,
        key=_text(said, "partitionkey") or _text(said, "subject"),
        time=_text(said, "time"),
        data=said.get("data"),
        sequence=_text(said, "sequence"),
        carrier={header: value for name, header in CARRIED.items() if (value := _text(said, name))},
    )


def _text(said: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) > LONGEST or (required and not value):
        raise Malformed(f"its {name} is no text of {1 if required else 0} to {LONGEST} characters")
    return value


def stamp(now: datetime) -> str:
    """RFC 3339."""
    return now.astimezone(UTC).isoformat().replace("+00:00", "Z")
