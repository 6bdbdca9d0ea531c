"""Insert a job unless one waits with its unique key."""

from typing import Final

# MySQL does not return what it has inserted, and counts a row that it has found like one that is new.
TAKEN: Final = "ON DUPLICATE KEY UPDATE unique_key = chassis_jobs.unique_key"
RETURNS: Final = False
"""Whether the statement says whose row it is."""
