"""What Alembic runs for every command: the models' tables, and a connection that holds the migration lock."""

from alembic import context
from sqlalchemy import Connection

from app.chassis import dialect, migrate, revisions, tables

HISTORY = context.config.attributes["history"]
COMPARED = (
    {"target_metadata": tables.metadata(), "include_name": tables.is_the_service_s}
    if HISTORY is revisions.SERVICE
    else {"target_metadata": tables.chassis_metadata(), "include_name": tables.is_the_chassis_s}
)
OPTIONS = COMPARED | {
    "version_table": HISTORY.table,
    "compare_server_default": True,
    # One migration, one transaction: what is done stays done when a later one fails.
    "transaction_per_migration": True,
    "user_module_prefix": "tables.",
    # SQLite cannot change a table in place: there the operations copy it.
    "render_as_batch": dialect.SYSTEM == "sqlite",
}


def online(connection: Connection) -> None:
    transactional = True if dialect.SYSTEM == "sqlite" else None
    context.configure(
        connection=connection, transactional_ddl=transactional, on_version_apply=migrate.applied, **OPTIONS
    )
    with context.begin_transaction():
        context.run_migrations()


def offline() -> None:
    context.configure(dialect_name=dialect.SYSTEM, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    migrate.with_connection(online)
