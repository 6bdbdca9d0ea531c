"""A statement that no test waits for, and whether the database still runs it."""

from app.chassis import dialect

NEVER_ENDING = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) "
    "SELECT COUNT(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60)",
}[dialect.SYSTEM]
# A file has no list of those who use it.
RUNNING = {
    "sqlite": "SELECT 0",
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%' "
    "AND datname = current_database()",
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' AND db = DATABASE()",
}[dialect.SYSTEM]
