"""`python -m app.chassis.events.dead_letters list | replay ID | replay --all | drop ID`: what has failed for good."""

import argparse
import sys
from datetime import UTC, datetime

from app.chassis import logging, process, server, work
from app.chassis.events import envelope, registry
from app.chassis.events.registry import Handler
from app.chassis.events.rows import RELAY, DeadLetter, inbox_id, partition, said


def main() -> None:
    asked = arguments()
    server.refuse(server.settings_problems())
    logging.configure()
    sys.exit(process.run(lambda: run(asked)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dead_letters", description="What has failed for good.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="say what there is")
    replay = commands.add_parser("replay", help="give it to its handler again; it leaves the list when that succeeds")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=int, nargs="?")
    which.add_argument("--all", action="store_true")
    commands.add_parser("drop", help="forget it").add_argument("id", type=int)
    return parser.parse_args(sys.argv[1:] or ["list"])


async def run(asked: argparse.Namespace) -> int:
    """The exit status: 1 when something failed again, or is not there."""
    from app.chassis.events import store  # noqa: PLC0415 - the framework is set up by now

    registry.discover()
    async with store.opened():
        letters = await store.letters()
        if asked.command == "list":
            sys.stdout.writelines(map(line, letters))
            return 0
        chosen = [one for one in letters if getattr(asked, "all", False) or one.id == asked.id]
        if not chosen and not getattr(asked, "all", False):
            sys.stderr.write(f"There is no dead letter {asked.id}.\n")
            return 1
        if asked.command == "drop":
            await store.drop(asked.id)
            return 0
        return int(not all([await replayed(one) for one in chosen]))


def line(one: DeadLetter) -> str:
    who = one.handler or "nobody"
    error = " ".join(one.error.split())[:200]
    return f"{one.id}\t{one.failed_at:%Y-%m-%dT%H:%M:%SZ}\t{one.type or '?'}\t{who}\ttries={one.tries}\t{error}\n"


async def replayed(one: DeadLetter) -> bool:
    try:
        await again(one)
    except Exception as error:  # noqa: BLE001 - the others may succeed
        sys.stderr.write(f"{one.id}: failed again, {said(error)}\n")
        return False
    sys.stdout.write(f"{one.id}: done\n")
    return True


async def again(one: DeadLetter) -> None:
    """Once: the effect, the inbox and the end of the dead letter are one transaction. Raises what goes wrong."""
    from app.chassis.events import store  # noqa: PLC0415 - as above

    read = envelope.parse(one.body)
    if one.handler == RELAY:
        row = {"message_id": read.id, "partition_id": partition(read.key), "key": read.key, "type": read.type}
        await store.put_back(row | {"body": one.body, "created_at": datetime.now(UTC)}, one.id)
        return
    for handler in handlers(one, read):
        payload = registry.read(handler.event, read.version, read.data)
        with work.unit("event", handler.name, read.carrier):
            await store.handle(inbox_id(read, handler.name), handler.call, payload, letter=one.id)


def handlers(one: DeadLetter, read: envelope.Envelope) -> list[Handler]:
    """Whose it was; what nobody could read is for all who can read it now. Raises LookupError."""
    found = [handler for handler in registry.handlers(read.type) if one.handler in {"", handler.name}]
    if not found:
        raise LookupError(f"nobody handles {read.type}" + (f" as {one.handler} did" if one.handler else ""))
    return found
