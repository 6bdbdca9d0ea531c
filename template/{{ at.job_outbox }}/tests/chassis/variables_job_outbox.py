"""A queue of this run's own."""

import os

from tests.chassis.job_queue import URL

VARIABLES = {"JOBS_BROKER_URL": URL, "JOBS_BROKER_QUEUE": f"test-jobs-{os.getpid()}"}
