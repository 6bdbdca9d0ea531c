"""An enqueue costs a transaction one statement."""

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from app.chassis.jobs.queue import enqueue
from tests.chassis import trial_jobs


def test_an_enqueue_is_one_statement(db: None) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        enqueue(trial_jobs.note, name="n")
    statements = [one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert len(statements) == 1, statements
    assert "INSERT INTO chassis_jobs" in statements[0]
