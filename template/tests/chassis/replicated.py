"""Where a row says which database it is in."""

from typing import Final

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS chassis_probe_places (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(32) NOT NULL)"
)
PLACE: Final = 1
