"""Migrations: they agree with the models, and processes that migrate at once do not collide."""

import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection

from app.chassis.database import applied_migrations, known_migrations
from tests.chassis.running import ROOT, environment


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_every_migration_that_is_known_is_applied_and_no_other() -> None:
    assert known_migrations() == applied_migrations()


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_pending() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    assert known_migrations() - applied_migrations() == {("sessions", "0001_initial")}


@pytest.mark.beside
def test_processes_that_migrate_at_once_wait_for_each_other(empty: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=1"]
    environ = environment() | {"DATABASE_URL": empty}
    migrating = [
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [one.communicate(timeout=60) for one in migrating]
    assert [one.returncode for one in migrating] == [0, 0, 0], outputs
    assert sorted("Applying" in stdout for stdout, _ in outputs) == [False, False, True]
