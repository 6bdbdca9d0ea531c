"""The table of refresh tokens, as Django finds it."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "app.chassis.tokens"
    label = "chassis_tokens"
