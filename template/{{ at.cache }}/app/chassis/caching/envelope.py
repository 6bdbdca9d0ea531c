"""A value as the store has it: what is not exactly as it was packed is none. No pickle: it would run what it reads."""

from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"slip1"
HEAD: Final = len(MAGIC) + 4
VALUE: Final = b"v"
MISSING: Final = b"m"


class Packed(NamedTuple):
    """`kind` is VALUE, and `body` its JSON, or MISSING, and `body` what was said instead."""

    kind: bytes
    body: bytes


def pack(packed: Packed) -> bytes:
    content = packed.kind + packed.body
    return MAGIC + crc32(content).to_bytes(4, "big") + content


def unpack(raw: bytes) -> Packed | None:
    """None for what is damaged or somebody else's."""
    content = raw[HEAD:]
    packed = Packed(content[:1], content[1:])
    # Of nothing, too, there is a right checksum: nothing.
    if not raw.startswith(MAGIC) or packed.kind not in {VALUE, MISSING}:
        return None
    return packed if crc32(content) == int.from_bytes(raw[len(MAGIC) : HEAD], "big") else None
