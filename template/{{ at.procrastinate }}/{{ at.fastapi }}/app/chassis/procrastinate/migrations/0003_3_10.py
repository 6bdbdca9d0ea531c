"""procrastinate until 3.10."""

from app.chassis.procrastinate import scripts

revision = "0003_3_10"
down_revision = "0002_until_3_4"
branch_labels = None
depends_on = None

# Nobody uses these tables before the last of these migrations.
# squawk-ignore: ban-drop-function
NAMES = ("03.04.00_50_post_add_retry_failed_job_procedure.sql",)


def upgrade() -> None:
    scripts.run(*NAMES)


def downgrade() -> None:
    raise NotImplementedError("procrastinate has no way back: drop what is named procrastinate_")
