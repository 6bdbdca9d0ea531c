"""procrastinate until 3.4, where its types get a value again."""

from app.chassis.procrastinate import scripts

revision = "0002_until_3_4"
down_revision = "0001_until_2_6"
branch_labels = None
depends_on = None

# Nobody uses these tables before the last of these migrations.
# squawk-ignore: adding-foreign-key-constraint, ban-drop-column, ban-drop-constraint, ban-drop-default
# squawk-ignore: ban-drop-function, ban-drop-not-null, ban-drop-table, changing-column-type
# squawk-ignore: constraint-missing-not-valid, renaming-object, require-concurrent-index-creation
# squawk-ignore: require-concurrent-index-deletion, require-enum-value-ordering
NAMES = (
    "02.08.00_01_add_additional_params_to_retry_job.sql",
    "02.14.01_01_add_indexes_for_fetch_job.sql",
    "03.00.00_01_pre_cancel_notification.sql",
    "03.00.00_50_post_cancel_notification.sql",
    "03.01.00_01_pre_add_heartbeat.sql",
    "03.01.00_50_post_add_heartbeat.sql",
    "03.02.00_01_pre_batch_defer_jobs.sql",
    "03.02.00_50_post_batch_defer_jobs.sql",
    "03.03.00_01_pre_priority_lock_fetch_job.sql",
    "03.04.00_01_pre_add_retry_failed_job_procedure.sql",
)


def upgrade() -> None:
    scripts.run(*NAMES)


def downgrade() -> None:
    raise NotImplementedError("procrastinate has no way back: drop what is named procrastinate_")
