"""The accounts in the database."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final, TypeVar

import django
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from app.chassis import logging
from app.chassis.accounts import Account
from app.chassis.transactions import in_transaction

Result = TypeVar("Result")
ACCOUNT: Final = [field.name for field in fields(Account)]


class Store:
    """What can be asked within one transaction."""

    def __init__(self) -> None:
        # The command imports this module before Django is set up.
        from app.chassis.accounts.models import AccountRow  # noqa: PLC0415

        self.rows = AccountRow.objects

    def lock(self, key: str) -> None:
        """Until the transaction ends nobody else who does so meets this account.

        It is a write, before anything is read: what is read afterwards is what there is.
        """
        self.rows.filter(id=key).update(totp_used=F("totp_used"))

    def account(self, *, name: str | None = None, key: str | None = None) -> Account | None:
        found = self.rows.filter(name=name) if name is not None else self.rows.filter(id=key)
        row = found.values(*ACCOUNT).first()
        return None if row is None else Account(**row)

    def accounts(self) -> list[Account]:
        """By name."""
        return [Account(**row) for row in self.rows.order_by("name").values(*ACCOUNT)]

    def add(self, account: Account) -> bool:
        """Whether it could be added; not if there is one of that name."""
        try:
            with transaction.atomic():
                self.rows.create(**asdict(account))
        except IntegrityError:
            return False
        return True

    def replace(self, account: Account) -> bool:
        """Whether it could take the place of one of that name that nobody has confirmed."""
        return self.rows.filter(name=account.name, confirmed_at=None).update(**asdict(account)) == 1

    def confirm(self, key: str, now: datetime) -> bool:
        """Whether it was not confirmed before."""
        return self.rows.filter(id=key, confirmed_at=None).update(confirmed_at=now) == 1

    def change(self, key: str, **values: Any) -> bool:
        """Whether there is such an account."""
        return self.rows.filter(id=key).update(**values) == 1

    def take_step(self, key: str, step: int) -> bool:
        """Whether no code of this step or a later one was taken."""
        return self.rows.filter(id=key, totp_used__lt=step).update(totp_used=step) == 1


def transact(work: Callable[[Store], Result]) -> Result:
    """What `work(store)` returns, committed."""
    return in_transaction(work, Store())


def run(work: Callable[[], None]) -> None:
    """For the command: the same without a service around it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    django.setup()
    logging.configure()
    try:
        work()
    except DatabaseError as error:
        sys.exit(f"{error}\nIf the table is missing: run `make migrate`.")
