"""All that the database has of sessions."""

from sqlalchemy import select

from app.chassis.accounts.store import run, transact
from app.chassis.sessions.models import SESSIONS


def main() -> None:
    run(lambda: print(transact(lambda store: store.session.execute(select(SESSIONS)).all())))  # noqa: T201 - as asked


if __name__ == "__main__":
    main()
