"""procrastinate's tables are those that its package wants, and an enqueue costs a transaction one statement."""

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from app.chassis.database import applied_migrations, known_migrations
from app.chassis.jobs.queue import enqueue
from tests.chassis import trial_jobs


def test_every_migration_of_the_package_is_one_of_the_service(db: None) -> None:
    packaged = {one for one in known_migrations() if one[0] == "procrastinate"}
    assert len(packaged) > 40
    assert packaged <= applied_migrations()


def test_an_enqueue_is_one_statement(db: None) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        enqueue(trial_jobs.note, name="n")
    statements = [one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert len(statements) == 1, statements
    assert "procrastinate_defer_jobs_v1" in statements[0]
