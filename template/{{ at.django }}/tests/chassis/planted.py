"""Seeds of the table that `rows` is."""

from django.db import connection


def seed(*, count: int, owner: str) -> int:
    with connection.cursor() as cursor:
        rows: list[list[int | str]] = [[number, "2026-01-01 00:00:00", owner] for number in range(count)]
        cursor.executemany("INSERT INTO chassis_probe_pages (id, moment, name) VALUES (%s, %s, %s)", rows)
    return count


def broken(*, count: int, owner: str) -> int:
    raise ValueError(f"{count} for {owner}")
