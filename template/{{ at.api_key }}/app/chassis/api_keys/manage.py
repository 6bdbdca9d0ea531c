"""`python -m app.chassis.api_keys.manage`: list the API keys; issue, rotate and revoke them."""

import argparse
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from app.chassis import api_keys
from app.chassis.api_keys import Stored, office

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """`90d`, `12h`, `30m`, `10s`."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write it like 90d, 12h, 30m or 10s")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def words(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.api_keys.manage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every key: whose it is, what it may do, when it was used last")
    issue = commands.add_parser("issue", help="make a key and show it, this once")
    issue.add_argument("subject", help="whose it is, such as ada or billing-service")
    issue.add_argument("--scopes", type=words, default=frozenset(), help="such as orders:read,orders:write")
    issue.add_argument("--roles", type=words, default=frozenset(), help="names that ROLES knows")
    issue.add_argument("--tenant", default="")
    issue.add_argument("--note", default="", help="what it is for")
    issue.add_argument("--expires", type=duration, help="after how long, such as 90d; never by default")
    rotate = commands.add_parser("rotate", help="make a key like this one, which ends when the overlap is over")
    rotate.add_argument("id", help="what stands between the underscores of the key")
    rotate.add_argument("--overlap", type=duration, default=timedelta(days=1), help="such as 1d, the default")
    rotate.add_argument("--expires", type=duration, help="after how long the new one ends; as the old one by default")
    revoke = commands.add_parser("revoke", help="end a key now")
    revoke.add_argument("id", help="what stands between the underscores of the key")
    arguments = parser.parse_args()
    try:
        office.run(lambda: answer(arguments, datetime.now(UTC)))
    except ValueError as error:
        sys.exit(f"{error}")


def answer(arguments: argparse.Namespace, now: datetime) -> None:
    """Raises ValueError for what cannot be."""
    match arguments.command:
        case "list":
            for one in office.every():
                print(line(one, now))  # noqa: T201 - it is what the command is for
        case "issue":
            key, stored = api_keys.made(
                arguments.subject,
                scopes=arguments.scopes,
                roles=arguments.roles,
                tenant=arguments.tenant,
                note=arguments.note,
                now=now,
                expires_at=None if arguments.expires is None else now + arguments.expires,
            )
            keep(key, stored)
        case "rotate":
            old = existing(arguments.id)
            key, stored = api_keys.renewed(old, now, arguments.expires)
            keep(key, stored)
            end = now + arguments.overlap
            office.change(replace(old, expires_at=min(end, old.expires_at or end)))
        case "revoke":
            office.change(replace(existing(arguments.id), revoked_at=now))


def keep(key: str, stored: Stored) -> None:
    office.add(stored)
    sys.stderr.write("Keep it: it is not shown again.\n")
    print(key)  # noqa: T201 - it is what the command is for


def existing(key_id: str) -> Stored:
    for one in office.every():
        if one.id == key_id:
            return one
    raise ValueError(f"there is no key {key_id}: `python -m app.chassis.api_keys.manage list` shows those there are")


def line(one: Stored, now: datetime) -> str:
    used = "never" if one.last_used_at is None else f"{one.last_used_at:%Y-%m-%d %H:%M}"
    ends = "never" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M}"
    roles = " ".join(f"role:{role}" for role in one.roles.split())
    may = " ".join(filter(None, (one.scopes, roles))) or "nothing"
    return f"{one.id}  {one.state(now):8}{one.subject}  may: {may}  used: {used}  ends: {ends}  {one.note}".rstrip()


if __name__ == "__main__":
    main()
