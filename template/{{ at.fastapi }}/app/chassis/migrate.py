"""`python -m app.chassis.migrate`: bring the database up to date; `... new "add notes"`: write the next migration."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger
from typing import Any, TextIO

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationInfo
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.chassis import dialect, engine, logging
from app.chassis.database import Settings
from app.chassis.errors import Unavailable
from app.chassis.revisions import MIGRATIONS, SERVICE, History, histories
from app.chassis.settings import SettingsError, load

LOCK_SECONDS = 300.0
log = structlog.get_logger()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    new = commands.add_parser("new", help="write the next migration from what the models have become")
    new.add_argument("message", help="what it does, such as 'add notes'")
    commands.add_parser("check", help="fail when the models and the migrations disagree")
    arguments = parser.parse_args()
    try:
        logging.configure()
        quiet()
        match arguments.command:
            case "new":
                write(arguments.message)
            case "check":
                compare()
            case _:
                upgrade()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except (CommandError, DBAPIError, Unavailable) as error:
        sys.exit(f"{error}")


def upgrade() -> None:
    for history in histories():
        command.upgrade(config(history=history), "head")
    log.info("database.up_to_date")


def applied(*, step: MigrationInfo, **_rest: Any) -> None:
    """What Alembic calls after each migration."""
    log.info("migration.applied", migration=step.up_revision_id)


def write(message: str) -> None:
    """The database must be up to date: the models are compared with what it has."""
    command.revision(config(), message, autogenerate=True)


def compare() -> None:
    """Raises CommandError when the models have what no migration brings."""
    for history in histories():
        command.check(config(history=history))


def quiet() -> None:
    """Alembic tells its inner life, MySQL's driver that primary keys have no names; `applied` says what counts."""
    for name in ("alembic", "asyncmy"):
        getLogger(name).setLevel("ERROR")


def config(output: TextIO | None = None, *, history: History = SERVICE) -> Config:
    """Alembic's configuration, in code: an image carries no pyproject.toml."""
    made = Config(output_buffer=output) if output else Config()
    made.attributes["history"] = history
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.set_main_option("version_locations", str(history.folder).replace("%", "%%"))
    made.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")
    made.set_main_option("path_separator", "newline")
    return made


def with_connection(run: Callable[[Connection], None]) -> None:
    """Call `run` with a connection of its own, while no other replica migrates the same database."""
    asyncio.run(_with_connection(run))


async def _with_connection(run: Callable[[Connection], None]) -> None:
    settings = load(Settings)
    made = create_async_engine(
        dialect.engine_url(settings.database_url),
        poolclass=NullPool,
        # Building an index may take an hour: a migration has no limit but for waiting.
        connect_args=engine.connect_args(settings, statement_timeout=0),
        **dialect.ENGINE_OPTIONS,
    )
    dialect.listen(made.sync_engine, statement_timeout=0)
    async with made.connect() as connection:
        await connection.run_sync(_alone, run)
    await made.dispose()


def _alone(connection: Connection, run: Callable[[Connection], None]) -> None:
    dialect.prepare_migration(connection)
    with locked(connection):
        # Alembic commits only the transactions that it began itself.
        assert not connection.in_transaction()  # noqa: S101
        run(connection)


@contextmanager
def locked(connection: Connection) -> Iterator[None]:
    """Replicas that start together migrate one after the other; the second finds nothing left to do."""
    give_up = time.monotonic() + LOCK_SECONDS
    while not dialect.try_lock(connection):
        if time.monotonic() > give_up:
            raise Unavailable(f"Another process has been migrating for {LOCK_SECONDS:g} s.")
        time.sleep(0.2)
    try:
        yield
    finally:
        dialect.unlock(connection)


if __name__ == "__main__":
    main()
