"""Two transactions that get in each other's way, as each database has it."""

from typing import Final

from app.chassis import dialect

SYSTEM: Final[str] = dialect.SYSTEM
TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS chassis_probe_rows"
    " (name VARCHAR(32) NOT NULL, side INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, side))"
)
# Whether it can refuse to write over what somebody has written since; MySQL cannot.
REFUSES: Final = {"mysql": "SELECT @@version LIKE '%MariaDB%'"}.get(SYSTEM, "SELECT 1")
# The level at which it does; SQLite has but one.
LEVEL: Final = {"postgresql": "SERIALIZABLE", "mysql": "REPEATABLE READ"}.get(SYSTEM)
# What makes it so; no default before MariaDB 11.6.
REFUSE: Final = {"mysql": "SET SESSION innodb_snapshot_isolation = ON"}.get(SYSTEM)
# In a deadlock PostgreSQL lets him lose who looks for one, MySQL and MariaDB him who has changed less.
IMPATIENT, PATIENT = (
    f"SELECT set_config('deadlock_timeout', '{wait}', true) WHERE current_setting('is_superuser') = 'on'"
    if SYSTEM == "postgresql"
    else "SELECT 1"
    for wait in ("10ms", "60s")
)
WEIGHT: Final = range(2, 32)
# Whether somebody waits for this transaction already.
WAITED_FOR: Final = {
    "postgresql": "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
}.get(SYSTEM, "SELECT 1")
