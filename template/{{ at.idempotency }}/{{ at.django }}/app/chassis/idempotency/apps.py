"""The table of keys, as Django finds it."""

from django.apps import AppConfig


class IdempotencyConfig(AppConfig):
    name = "app.chassis.idempotency"
    label = "chassis_idempotency"
