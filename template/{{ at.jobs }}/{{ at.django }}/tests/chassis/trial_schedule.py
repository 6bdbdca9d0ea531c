"""A job that cron wants every second."""

from app.chassis.jobs import job
from tests.chassis import trial_jobs


@job(schedule="* * * * * */1")
def tick() -> None:
    trial_jobs.leave("tick")
