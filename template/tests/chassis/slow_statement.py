"""A statement that takes a good tenth of a second, or for ever, and has a value that nobody should read."""

from typing import Final

from app.chassis import dialect

SLOW: Final = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {length}) "
    "SELECT COUNT(*) FROM n WHERE '' <> {secret}",
    "postgresql": "SELECT pg_sleep({length}) WHERE '' <> {secret}",
    "mysql": "SELECT SLEEP({length}) FROM (SELECT 1) AS one WHERE '' <> {secret}",
}[dialect.SYSTEM]
LENGTH: Final = {"sqlite": 600_000}.get(dialect.SYSTEM, 0.3)
FOR_EVER: Final = {"sqlite": 2_000_000_000}.get(dialect.SYSTEM, 60)
