"""`python -m app.chassis.events.schema`: what events this service sends and receives, as AsyncAPI 3 has it said."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from app.chassis import about
from app.chassis.events import envelope, registry
from app.chassis.events.broker import CONTENT_TYPE
from app.chassis.events.compatibility import breaking, inlined
from app.chassis.events.registry import Event

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "asyncapi.json"
ATTRIBUTES: Final = ("id", "source", "type", "subject", "time", "partitionkey", "sequence", "traceparent", "requestid")
Document = dict[str, Any]
TEXT: Final[Document] = {"type": "string"}


def main() -> None:
    from app.chassis import process  # noqa: PLC0415 - Django is set up before features are imported

    async def write() -> int:
        registry.discover()
        found = wrong(recorded(), rendered())
        if found:
            sys.stderr.write("\n".join(found) + "\n")
            return 1
        DOCUMENT.write_text(json.dumps(rendered(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        sys.stdout.write(f"{DOCUMENT.name}: {len(registry.events())} events\n")
        return 0

    sys.exit(process.run(write))


def recorded() -> Document:
    """What the file says; an empty document where there is none."""
    if not DOCUMENT.exists():
        return {}
    found: Document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def rendered() -> Document:
    """What the features declare. It is the same for the same code: nothing of it is of today or of this machine."""
    events = [one for one in registry.events() if one.model.__module__.startswith("app.features.")]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": about.NAME, "version": "1", "description": about.DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "channels": {one.name: channel(one) for one in events},
        "operations": {**sent(events), **received(events)},
        "components": {"messages": {message_name(one): message(one) for one in events}},
    }


def sent(events: list[Event]) -> Document:
    return {f"send.{one.name}": operation(one, "send") for one in events if one.sent}


def received(events: list[Event]) -> Document:
    handled = [one for one in events if registry.handlers(one.name)]
    return {f"receive.{one.name}": operation(one, "receive") for one in handled}


def channel(event: Event) -> Document:
    name = message_name(event)
    return {"address": event.name, "messages": {name: {"$ref": f"#/components/messages/{name}"}}}


def operation(event: Event, action: str) -> Document:
    where = f"#/channels/{event.name}"
    return {
        "action": action,
        "channel": {"$ref": where},
        "messages": [{"$ref": f"{where}/messages/{message_name(event)}"}],
    }


def message_name(event: Event) -> str:
    return f"{event.name}.v{event.version}"


def message(event: Event) -> Document:
    properties: Document = dict.fromkeys(ATTRIBUTES, TEXT) | {
        "specversion": {"const": envelope.SPECVERSION},
        "type": {"const": event.name},
        "datacontenttype": {"const": "application/json"},
        "schemaversion": {"const": event.version},
        "data": inlined(event.model.model_json_schema(mode="serialization")),
    }
    return {
        "name": event.name,
        "title": event.model.__name__,
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "properties": properties,
            "required": ["specversion", "id", "source", "type", "schemaversion", "data"],
        },
    }


def wrong(old: Document, new: Document) -> list[str]:
    """What has changed under the same version, with the cure; versions that are not recorded yet are free to come."""
    found = []
    known = old.get("components", {}).get("messages", {})
    for name, one in new["components"]["messages"].items():
        if name in known:
            changes = breaking(data(known[name]), data(one))
            found += [f"{name}: {change}" for change in changes]
    if found:
        found.append("Raise the version in @event, and say in an @upcast how the old data become the new.")
    return found


def stale(old: Document, new: Document) -> bool:
    """Whether the file says something else; how the service is called may change without it."""
    return bool(new["channels"] or old) and any(old.get(name) != new[name] for name in new if name != "info")


def data(one: Document) -> Document:
    schema: Document = one["payload"]["properties"]["data"]
    return schema


if __name__ == "__main__":
    main()
