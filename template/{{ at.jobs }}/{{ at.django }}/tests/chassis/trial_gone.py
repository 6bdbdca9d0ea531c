"""Jobs that a worker does not know, or not like that."""

from app.chassis.jobs import job


@job(name="trial.gone")
def gone(*, name: str) -> None:
    """Whoever runs it has come back."""
    from tests.chassis.trial_jobs import leave  # noqa: PLC0415 - it has jobs of its own

    leave(name)


@job(name="trial.changed")
def unchanged(*, name: str) -> None:
    raise NotImplementedError
