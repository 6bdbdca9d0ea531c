"""The table of jobs, as Django finds it."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "app.chassis.jobs"
    label = "chassis_jobs"
