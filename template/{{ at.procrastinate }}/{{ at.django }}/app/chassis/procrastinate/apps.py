"""procrastinate's tables and functions, as Django finds them: the migrations are those of its package."""

from procrastinate.contrib.django import apps


class ProcrastinateConfig(apps.ProcrastinateConfig):
    name = "procrastinate.contrib.django"
    label = "procrastinate"

    def ready(self) -> None:
        """Nothing: the worker makes its own, and the jobs are found elsewhere."""
