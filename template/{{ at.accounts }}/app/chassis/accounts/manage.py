"""`python -m app.chassis.accounts.manage`: list the accounts; add, disable and enable them."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from getpass import getpass

from app.chassis import credentials, identity
from app.chassis.accounts import Account
from app.chassis.accounts.store import Store, run, transact
from app.chassis.errors import Invalid
from app.chassis.routes import SCOPE


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.accounts.manage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every account: its subject, its name, whether it can be used, its roles")
    add = commands.add_parser("add", help="make an account; its password is asked for, or read from standard input")
    add.add_argument("name")
    add.add_argument("--roles", default="", help="names that ROLES knows, such as clerk,auditor")
    add.add_argument("--tenant", default="")
    roles = commands.add_parser("roles", help="give an account these roles, and no others")
    roles.add_argument("name")
    roles.add_argument("roles", nargs="*")
    for command, text in (
        ("disable", "nobody can log in to it; its logins end"),
        ("enable", "it can be used again, or now"),
        ("password", "give it another password, asked for or read from standard input; its logins end"),
        ("reset", "take its second factor away, for somebody who has lost it; its logins end"),
    ):
        commands.add_parser(command, help=text).add_argument("name")
    commands.add_parser("expire", help="delete what the database still has of logins that have ended")
    arguments = parser.parse_args()
    try:
        run(lambda: answer(arguments, datetime.now(UTC)))
    except Invalid as error:
        sys.exit(" ".join(one["detail"] for one in error.members["errors"]))
    except ValueError as error:
        sys.exit(f"{error}")


def answer(arguments: argparse.Namespace, now: datetime) -> None:
    """Raises ValueError for what cannot be."""
    if arguments.command == "list":
        for one in transact(lambda store: store.accounts()):
            print(line(one))  # noqa: T201 - it is what the command is for
    elif arguments.command == "add":
        add(arguments)
    elif arguments.command == "expire":
        print(transact(lambda store: credentials.expire(store, now)), "deleted")  # noqa: T201 - as above
    else:
        change(arguments, now)


def add(arguments: argparse.Namespace) -> None:
    from app.chassis.accounts import flows, passwords  # noqa: PLC0415 - hashing is not for those who list

    if arguments.tenant and identity.SUBJECT.fullmatch(arguments.tenant) is None:
        raise ValueError("a tenant is 1 to 255 visible ASCII characters, like acme")
    name, roles = checked_name(arguments.name), words(arguments.roles.replace(",", " ").split())
    password = asked()
    passwords.check(password, name, "")
    account = flows.made(name, password, roles=roles, tenant=arguments.tenant)
    if not transact(lambda store: store.add(account)):
        raise ValueError(f"there is an account {name} already")
    print(account.id)  # noqa: T201 - as above


def checked_name(given: str) -> str:
    from app.chassis.accounts import schemas  # noqa: PLC0415 - as above

    if len(given) > schemas.MOST_NAME:
        raise ValueError(f"a name has at most {schemas.MOST_NAME} characters")
    return schemas.check_name(given)


def change(arguments: argparse.Namespace, now: datetime) -> None:
    from app.chassis.accounts import flows, passwords  # noqa: PLC0415 - as above

    name = arguments.name.lower()
    found = transact(lambda store: store.account(name=name))
    if found is None:
        raise ValueError(f"there is no account {name}: `python -m app.chassis.accounts.manage list` shows them")
    values: dict[str, object]
    match arguments.command:
        case "roles":
            values = {"roles": words(arguments.roles)}
        case "disable":
            values = {"disabled_at": now}
        case "enable":
            values = {"disabled_at": None, "confirmed_at": found.confirmed_at or now}
        case "password":
            password = asked()
            passwords.check(password, name, "")
            values = {"password": passwords.hashed(password)}
        case _:
            values = dict(flows.NO_SECOND_FACTOR)
    transact(changing(found, values, now, ends=arguments.command in {"disable", "password", "reset"}))


def changing(account: Account, values: dict[str, object], now: datetime, *, ends: bool) -> Callable[[Store], None]:
    def work(store: Store) -> None:
        store.lock(account.id)
        store.change(account.id, **values)
        if ends:
            credentials.end_logins(store, account.id, now)

    return work


def words(given: list[str]) -> str:
    for one in given:
        if SCOPE.fullmatch(one) is None:
            raise ValueError(f"{one!r} is no name of a role: use visible ASCII characters without quotes")
    return " ".join(sorted(set(given)))


def asked() -> str:
    """Never an argument: the list of processes would show it."""
    return getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def line(one: Account) -> str:
    state = "disabled" if one.disabled_at else "active" if one.usable else "waiting"
    factor = "two factors" if one.totp_confirmed else "password"
    return f"{one.id}  {state:8}  {one.name}  {factor}  {one.roles}".rstrip()


if __name__ == "__main__":
    main()
