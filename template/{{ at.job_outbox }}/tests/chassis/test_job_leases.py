"""Which message is dropped: one that brings a job that somebody is at, or whose next attempt is not due."""

from datetime import UTC, datetime, timedelta

import pytest

from app.chassis.jobs import leases

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "due_at", "deliver_at", "leased_until", "kept"),
    [
        ("queued", EARLIER, EARLIER, None, False),
        # Delivered, and nobody has begun.
        ("queued", EARLIER, LATER, None, False),
        # It waits for its next attempt.
        ("queued", LATER, LATER, None, True),
        # The clock of whoever has delivered it is ahead.
        ("queued", LATER, LATER + timedelta(seconds=60), None, False),
        ("running", EARLIER, LATER, LATER, True),
        # Its worker is lost; the second has been delivered again.
        ("running", EARLIER, EARLIER, EARLIER, False),
        ("running", EARLIER, LATER, EARLIER, False),
        # What another queue has left.
        ("queued", EARLIER, None, None, False),
        ("running", EARLIER, None, None, False),
    ],
)
def test_a_message_is_dropped_when_its_job_is_with_somebody(
    state: str, due_at: datetime, deliver_at: datetime | None, leased_until: datetime | None, *, kept: bool
) -> None:
    row = {"state": state, "due_at": due_at, "deliver_at": deliver_at, "leased_until": leased_until}
    assert leases.kept(row, NOW) is kept
