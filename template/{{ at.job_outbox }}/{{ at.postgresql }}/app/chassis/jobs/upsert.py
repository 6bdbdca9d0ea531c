"""Insert a job unless one waits with its unique key."""

from typing import Final

# Whoever finds its key taken locks that job until it commits: the job cannot begin before, and miss what it writes.
TAKEN: Final = "ON CONFLICT (unique_key) DO UPDATE SET unique_key = excluded.unique_key RETURNING id"
RETURNS: Final = True
"""Whether the statement says whose row it is."""
