"""Pages of a list that goes on after a key, not after a number of rows: what a cursor says, and how a page is told."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from app.chassis.errors import Invalid

Item = TypeVar("Item")

Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
NextCursor = Annotated[str | None, Field(description="Send it as `cursor` to get the next page.")]


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: Sequence[Item]
    next_cursor: str | None


class BadCursor(Invalid, ValueError):
    """What no page of this list ended with; a ValueError, so that Pydantic names the parameter."""

    def __init__(self) -> None:
        detail = "not a cursor of this list"
        super().__init__(detail, errors=[{"detail": detail, "parameter": "cursor"}])


class Key(NamedTuple):
    """What a list is sorted by: an attribute of the model and its type, one of `KINDS`."""

    name: str
    kind: type
    descending: bool = False


class Keyset:
    """The order of a list: `Keyset("orders", Key("created_at", datetime, descending=True), Key("id", UUID))`.

    No two rows may have the same values of all keys together, and none of them may be NULL. `Annotated[str, keyset]` is
    the type of a parameter that takes cursors of this list alone: one of another list or order is refused. A cursor has
    the keys of the last item that its reader was shown: let nobody's list be sorted by what its readers may not see.
    """

    def __init__(self, name: str, *keys: Key) -> None:
        unknown = ", ".join(key.name for key in keys if key.kind not in KINDS)
        if unknown or not keys:
            known = ", ".join(kind.__name__ for kind in KINDS)
            raise TypeError(f"the list {name} needs keys of these types: {known}; not so: {unknown or 'none at all'}")
        self.name = name
        self.keys = keys
        said = [name, *((key.name, key.kind.__name__, key.descending) for key in keys)]
        # Three bytes are four characters of their own: a schema can say them. They tell lists apart, they keep nobody
        # from making a cursor; whoever does goes on at another place of what may be seen anyway.
        self.tag = sha256(repr(said).encode()).digest()[:TAG_BYTES]

    def encode(self, values: Iterable[Any]) -> str:
        """The cursor of the item that has these values. Raises TypeError for a NULL."""
        packed = [KINDS[key.kind].pack(value) for key, value in zip(self.keys, values, strict=True)]
        return _text(self.tag + b"".join(packed))

    def decode(self, cursor: object) -> list[Any]:
        """The values of the keys that the last page ended with. Raises BadCursor for what `encode` never said."""
        if not isinstance(cursor, str) or len(cursor) > MOST_CHARACTERS or not _BASE64.fullmatch(cursor):
            raise BadCursor
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            values, rest = self._unpack(raw[TAG_BYTES:])
        except ValueError:
            raise BadCursor from None
        if rest or raw[:TAG_BYTES] != self.tag or _text(raw) != cursor:
            raise BadCursor
        return values

    def _unpack(self, raw: bytes) -> tuple[list[Any], bytes]:
        values = []
        for key in self.keys:
            kind = KINDS[key.kind]
            width = kind.width or 2 + int.from_bytes(raw[:2])
            if len(raw) < width:
                raise BadCursor
            values.append(kind.unpack(raw[:width]))
            raw = raw[width:]
        return values, raw

    # -- as a parameter, `Annotated[str, keyset]`

    def checked(self, cursor: object) -> str:
        self.decode(cursor)
        return str(cursor)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.checked)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern, "description": "The `next_cursor` of the page before."}

    @property
    def pattern(self) -> str:
        """Exactly its cursors, or, with a text among the keys, what begins like one."""
        widths = [KINDS[key.kind].width for key in self.keys]
        if not all(widths):
            return f"^{_text(self.tag)}[A-Za-z0-9_-]+$"
        whole, more = divmod(sum(widths), 3)
        return f"^{_text(self.tag)}[A-Za-z0-9_-]{{{whole * 4 + more}}}{_LAST[more]}$"


def next_link(path: str, **query: object) -> str:
    """The Link header (RFC 8288) that leads to the next page: the query of this one, with the new `cursor`."""
    given = {name: _plain(value) for name, value in query.items() if value is not None}
    return f'<{path}?{urlencode(given, doseq=True)}>; rel="next"'


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


# -- how values are written: each string of a fixed width stands for one, so that a schema can say what is a cursor ----

TAG_BYTES: Final = 3
MOST_CHARACTERS: Final = 2048
_BASE64: Final = re.compile("[A-Za-z0-9_-]+", re.ASCII)
# What the last character can be, by the bytes over a multiple of three: it has but two or four bits to say.
_LAST: Final = ("", "[AQgw]", "[AEIMQUYcgkosw048]")
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Years that every database has.
_FIRST, _LAST_MOMENT = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_MOMENTS: Final = ((_FIRST - _EPOCH) // _MICROSECOND, (_LAST_MOMENT - _EPOCH) // _MICROSECOND)


class _Kind(NamedTuple):
    """`width` is in bytes, 0 for a text, which begins with its length in two bytes."""

    width: int
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def _pack_id(value: UUID) -> bytes:
    return _known(value, UUID).bytes


def _pack_number(value: int) -> bytes:
    return _known(value, int).to_bytes(8, signed=True)


def _unpack_number(raw: bytes) -> int:
    return int.from_bytes(raw, signed=True)


def _pack_moment(value: datetime) -> bytes:
    return _pack_number((_known(value, datetime) - _EPOCH) // _MICROSECOND)


def _unpack_moment(raw: bytes) -> datetime:
    first, last = _MOMENTS
    return _EPOCH + min(max(_unpack_number(raw), first), last) * _MICROSECOND


def _pack_text(value: str) -> bytes:
    encoded = _known(value, str).encode()
    return len(encoded).to_bytes(2) + encoded


def _unpack_text(raw: bytes) -> str:
    text = raw[2:].decode()
    if "\x00" in text:
        raise ValueError("no database has this in a text")
    return text


def _known(value: object, kind: type[Item]) -> Item:
    if not isinstance(value, kind):
        raise TypeError(f"a key is {type(value).__name__}, not {kind.__name__}: sort by what is never NULL")
    return value


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


KINDS: Final[dict[type, _Kind]] = {
    UUID: _Kind(16, _pack_id, lambda raw: UUID(bytes=raw)),
    int: _Kind(8, _pack_number, _unpack_number),
    datetime: _Kind(8, _pack_moment, _unpack_moment),
    str: _Kind(0, _pack_text, _unpack_text),
}
