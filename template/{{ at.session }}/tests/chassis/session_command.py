"""The headers of a session, for tests of a service with this database."""

import sys

from app.chassis import sessions
from app.chassis.accounts.store import run, transact


def main() -> None:
    subject, *scopes = sys.argv[1:]
    run(lambda: print(*made(subject, frozenset(scopes))))  # noqa: T201 - it is what the command is for


def made(subject: str, scopes: frozenset[str]) -> tuple[str, ...]:
    from app.chassis.sessions.flows import given  # noqa: PLC0415 - Django is set up by now

    token = transact(lambda store: given(store, subject, scopes))
    return f"{sessions.COOKIE}={token}", sessions.csrf_token(token)


if __name__ == "__main__":
    main()
