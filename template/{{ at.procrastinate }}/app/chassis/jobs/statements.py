"""A job's row and its place in procrastinate's queue, in one statement: it costs a transaction one round trip."""

from typing import Final

TASK: Final = "chassis.job"
COLUMNS: Final = (
    "id", "name", "queue", "owner", "arguments", "carrier", "unique_key", "state", "attempts", "created_at", "due_at",
)  # fmt: skip
# At once, and not at the time of a clock that is not the server's.
DEFER: Final = f"""
procrastinate_defer_jobs_v1(ARRAY[ROW(
    added.queue, '{TASK}', 0, NULL, NULL, jsonb_build_object('job', added.id), NULL
)::procrastinate_job_to_defer_v1])"""
# Whoever finds its key taken locks that job until it commits: the job cannot begin before, and miss what it writes.
ENQUEUE: Final = f"""
WITH added AS (
    INSERT INTO chassis_jobs ({", ".join(COLUMNS)}) VALUES ({", ".join(f":{name}" for name in COLUMNS)})
    ON CONFLICT (unique_key) DO UPDATE SET unique_key = excluded.unique_key
    RETURNING id, queue, xmax = 0 AS new
)
SELECT added.id, added.new, CASE WHEN added.new THEN {DEFER} END FROM added"""  # noqa: S608 - names of our own
DELIVER: Final = f"SELECT {DEFER} FROM chassis_jobs AS added WHERE added.id = :id"  # noqa: S608 - as above
# Unless it has ended or somebody else has it by now.
RESCUE: Final = f"""
WITH gone AS (
    DELETE FROM procrastinate_jobs
    WHERE id = %(id)s AND status = 'doing' AND worker_id IS NOT DISTINCT FROM %(worker)s
    RETURNING queue_name, args
)
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    gone.queue_name, '{TASK}', 0, NULL, NULL, gone.args, NULL
)::procrastinate_job_to_defer_v1]) FROM gone"""  # noqa: S608 - as above
