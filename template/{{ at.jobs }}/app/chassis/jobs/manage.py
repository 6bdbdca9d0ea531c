"""`python -m app.chassis.jobs.manage`: count the jobs, list the dead ones; replay or drop them."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.chassis.jobs import command, rows, store

MOST = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.jobs.manage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("count", help="how many there are of each name in each state")
    listed = commands.add_parser("list", help=f"the newest {MOST}: id, state, name, attempts, why it failed")
    listed.add_argument("--state", choices=rows.STATES)
    commands.add_parser("dead", help="those that failed for good: the dead letters")
    for name, text in (("replay", "enqueue dead jobs anew"), ("drop", "delete dead jobs")):
        one = commands.add_parser(name, help=text)
        one.add_argument("ids", nargs="+", metavar="ID", help="one or more ids, or all")
    arguments = parser.parse_args()
    try:
        command.run(lambda: answer(arguments))
    except ValueError as error:
        sys.exit(f"{error}")


async def answer(arguments: argparse.Namespace) -> None:
    """Raises ValueError for what cannot be."""
    match arguments.command:
        case "count":
            for name, state, number in await store.ask(store.counts):
                say(f"{number:>8}  {state:<9}  {name}")
        case "list" | "dead":
            state = rows.FAILED if arguments.command == "dead" else arguments.state
            for row in await store.ask(store.newest, state, MOST):
                say(line(row))
        case _:
            work = store.replay if arguments.command == "replay" else store.drop
            changed = await store.ask(work, ids(arguments.ids), datetime.now(UTC))
            if not changed and arguments.ids != ["all"]:
                raise ValueError("none of these is dead: `python -m app.chassis.jobs.manage dead` lists those that are")
            say(f"{changed} {'enqueued anew' if arguments.command == 'replay' else 'deleted'}")


def ids(given: list[str]) -> list[UUID] | None:
    """None for all."""
    if given == ["all"]:
        return None
    try:
        return [UUID(one) for one in given]
    except ValueError:
        raise ValueError("an id is a UUID, as `python -m app.chassis.jobs.manage dead` shows it; or say all") from None


def line(row: Mapping[str, Any]) -> str:
    head = f"{row['id']}  {row['state']:<9}  {row['name']}  attempts: {row['attempts']}"
    return f"{head}  {row['created_at']:%Y-%m-%d %H:%M}  {row['error'] or ''}".rstrip()


def say(text: str) -> None:
    print(text)  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    main()
