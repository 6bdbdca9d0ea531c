"""procrastinate's tables and functions, from the scripts of its package that a migration names."""

from importlib.resources import files
from typing import Any

from alembic import context, op


def run(*names: str) -> None:
    for name in names:
        script = (files("procrastinate.sql") / "migrations" / name).read_text()
        if context.is_offline_mode():
            op.execute(script)
        else:
            connection = op.get_bind()
            # A transaction begins with a statement, and what the driver is given past SQLAlchemy is none.
            connection.exec_driver_sql("SELECT 1")
            # Only without a cursor it takes many at once.
            driver: Any = connection.connection.dbapi_connection
            driver.run_async(lambda inner, script=script: inner.execute(script))
