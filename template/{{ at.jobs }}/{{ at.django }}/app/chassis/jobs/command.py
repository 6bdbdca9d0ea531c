"""How the command meets the database."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import django
from django.db import DatabaseError

from app.chassis import logging

# The command's other modules import the models.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
django.setup()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def awaited() -> None:
        await work()

    logging.configure()
    try:
        asyncio.run(awaited())
    except DatabaseError as error:
        sys.exit(f"{error}\nIf the table is missing: run `make migrate`.")
