"""Old code with new tables: its own tests pass after a change that only adds, and fail after one that takes away too early."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import services
import template as slipway

pytestmark = pytest.mark.slow

FASTAPI = '''
"""{what}."""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    {fastapi}
'''
DJANGO = '''
"""{what}."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "{before}")]
    operations = [{django}]
'''
# As docs/expand_contract.md says: a new column may be left out, and an old one goes when nobody names it.
EXPAND = {
    "what": "Room for remarks",
    "fastapi": 'op.add_column("orders", sa.Column("remark", sa.String(200), nullable=True))',
    "django": 'migrations.AddField("order", "remark", models.CharField(max_length=200, null=True))',
}
FORGETFUL = {
    "what": "A remark that the old code does not write",
    "fastapi": """with op.batch_alter_table("orders") as table:
        table.add_column(sa.Column("remark", sa.String(200), nullable=False))""",
    "django": 'migrations.AddField("order", "remark", models.CharField(max_length=200, default=""))',
}
CONTRACT = {
    "what": "Without the total, which the old code reads",
    "fastapi": 'op.drop_column("orders", "total")',
    "django": 'migrations.RemoveField("order", "total")',
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("framework", ["fastapi", "django"])
def test_old_code_runs_with_what_was_added_and_not_without_what_was_taken(
    template: Path, tmp_path: Path, framework: str, database: str
) -> None:
    answers = {"framework": framework, "database": database, "preset": "minimal", "example": True}
    service = slipway.render_once(template, tmp_path / "orders", answers)
    env = services.surroundings(service, database=database, python="3.11")
    slipway.start_history(service)
    migrate(service, framework, EXPAND)
    assert "gets on with these tables" in services.make(service, "test-old-code", "ARGS=HEAD", env=env)
    for too_early in (FORGETFUL, CONTRACT):
        path = migrate(service, framework, too_early)
        done = failed(service, env)
        assert "does not get on with these tables" in done, done[-3000:]
        path.unlink()
    # What was there before is all there, and nothing beside it.
    assert slipway.git(service, "worktree", "list").count("\n") == 1


def migrate(service: Path, framework: str, change: dict[str, Any]) -> Path:
    """The new version's migration, in place of the one before it: not committed, so that HEAD is what is deployed."""
    folder = service / {"fastapi": "migrations/versions", "django": "app/features/orders/migrations"}[framework]
    before = {"fastapi": "0001_orders", "django": "0001_initial"}[framework]
    path = folder / "0002_change.py"
    text = {"fastapi": FASTAPI, "django": DJANGO}[framework]
    path.write_text(text.format(name=path.stem, before=before, **change).lstrip())
    return path


def failed(service: Path, env: dict[str, str]) -> str:
    with services.shared_lock(service):
        command = ["make", "--no-print-directory", "test-old-code", "ARGS=HEAD -x"]
        done = subprocess.run(command, cwd=service, env=env, check=False, text=True, capture_output=True)
    assert done.returncode, done.stdout[-3000:]
    return done.stdout + done.stderr
