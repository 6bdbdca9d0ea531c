"""Whether readers of a recorded schema can read events of the present one, and the other way round."""

import json
from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]
# What says something about a value and nothing about which values there are.
DEFINITIONS: Final = frozenset({"$defs"})
REMARKS: Final = DEFINITIONS | {"title", "description", "examples", "default", "deprecated"}


def breaking(old: Schema, new: Schema) -> list[str]:
    """What somebody would trip over. A new field that may be missing is all that may come, remarks apart.

    What is in the outbox, in the broker or a dead letter was written by the old schema and is read by the new one;
    other services read what the new one writes with the old one.
    """
    return list(_changes(plain(old), plain(new), ""))


def plain(schema: Schema) -> Schema:
    """Without remarks, and with definitions where they are used."""
    return inlined(schema, without=REMARKS)


def inlined(schema: Schema, without: frozenset[str] = DEFINITIONS) -> Schema:
    """With definitions where they are used: one that uses itself stays a reference."""
    found: Schema = _inlined(schema, schema.get("$defs", {}), without, ())
    return found


def _inlined(node: Any, definitions: Schema, without: frozenset[str], within: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inlined(one, definitions, without, within) for one in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if name in definitions and name not in within:
        return _inlined(definitions[name], definitions, without, (*within, name))
    found = {key: _inlined(value, definitions, without, within) for key, value in node.items() if key not in without}
    if isinstance(node.get("properties"), dict):
        # A field may well be called title.
        fields = node["properties"].items()
        found["properties"] = {key: _inlined(value, definitions, without, within) for key, value in fields}
    return found


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        fields, others = old.get("properties", {}), new.get("properties", {})
        yield from _fields(fields, others, path, set(old.get("required", ())), set(new.get("required", ())))
        for key in sorted((old.keys() | new.keys()) - {"properties", "required"}):
            inside = f"{path}[]" if key == "items" else path
            yield from _changes(old.get(key), new.get(key), inside)
    elif old != new:
        yield f"{path or 'the event'}: was {json.dumps(old)}, is {json.dumps(new)}"


def _fields(old: Schema, new: Schema, path: str, needed: set[str], needs: set[str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        where = f"{path}.{name}".lstrip(".")
        if name not in new:
            yield f"{where}: is gone"
        elif name not in old:
            if name in needs:
                yield f"{where}: is new and required"
        else:
            if (name in needed) != (name in needs):
                yield f"{where}: {'may be missing now' if name in needed else 'is required now'}"
            yield from _changes(old[name], new[name], where)
