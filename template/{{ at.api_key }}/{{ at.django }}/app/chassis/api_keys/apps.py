"""The table of API keys, as Django finds it."""

from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "app.chassis.api_keys"
    label = "chassis_api_keys"
