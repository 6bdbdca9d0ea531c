"""The accounts in the database."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from anyio import from_thread, to_thread
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.chassis import database, logging
from app.chassis.accounts import Account
from app.chassis.accounts.models import ACCOUNTS
from app.chassis.errors import Unavailable
from app.chassis.settings import SettingsError
from app.chassis.transactions import in_transaction

Result = TypeVar("Result")


class Store:
    """What can be asked within one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def lock(self, key: str) -> None:
        """Until the transaction ends nobody else who does so meets this account.

        It is a write, before anything is read: what is read afterwards is what there is.
        """
        self.changed(update(ACCOUNTS).where(ACCOUNTS.c.id == key).values(totp_used=ACCOUNTS.c.totp_used))

    def account(self, *, name: str | None = None, key: str | None = None) -> Account | None:
        found = ACCOUNTS.c.name == name if name is not None else ACCOUNTS.c.id == key
        row = self.session.execute(select(ACCOUNTS).where(found)).mappings().first()
        return None if row is None else Account(**row)

    def accounts(self) -> list[Account]:
        """By name."""
        rows = self.session.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name)).mappings()
        return [Account(**row) for row in rows]

    def add(self, account: Account) -> bool:
        """Whether it could be added; not if there is one of that name."""
        try:
            with self.session.begin_nested():
                self.session.execute(insert(ACCOUNTS).values(asdict(account)))
        except IntegrityError:
            return False
        return True

    def replace(self, account: Account) -> bool:
        """Whether it could take the place of one of that name that nobody has confirmed."""
        unconfirmed = ACCOUNTS.c.name == account.name, ACCOUNTS.c.confirmed_at.is_(None)
        return self.changed(update(ACCOUNTS).where(*unconfirmed).values(asdict(account))) == 1

    def confirm(self, key: str, now: datetime) -> bool:
        """Whether it was not confirmed before."""
        unconfirmed = ACCOUNTS.c.id == key, ACCOUNTS.c.confirmed_at.is_(None)
        return self.changed(update(ACCOUNTS).where(*unconfirmed).values(confirmed_at=now)) == 1

    def change(self, key: str, **values: Any) -> bool:
        """Whether there is such an account."""
        return self.changed(update(ACCOUNTS).where(ACCOUNTS.c.id == key).values(values)) == 1

    def take_step(self, key: str, step: int) -> bool:
        """Whether no code of this step or a later one was taken."""
        later = update(ACCOUNTS).where(ACCOUNTS.c.id == key, ACCOUNTS.c.totp_used < step)
        return self.changed(later.values(totp_used=step)) == 1

    def changed(self, statement: Any) -> int:
        """How many rows."""
        result: Any = self.session.execute(statement)
        return int(result.rowcount)


def transact(work: Callable[[Store], Result]) -> Result:
    """What `work(store)` returns, committed; called in a thread of the service's, never in the event loop's."""

    async def inside(session: AsyncSession) -> Result:
        return await session.run_sync(lambda sync: work(Store(sync)))

    return from_thread.run(in_transaction, inside)


def run(work: Callable[[], None]) -> None:
    """For the command: the same without a service around it."""

    async def served() -> None:
        async with database.resources():
            await to_thread.run_sync(work)

    try:
        logging.configure()
        asyncio.run(served())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except Unavailable as error:
        sys.exit(f"{error}")
    except DBAPIError as error:
        sys.exit(f"{error.orig}\nIf the table is missing: run `make migrate`.")
