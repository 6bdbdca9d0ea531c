"""The table of accounts, as Django finds it."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "app.chassis.accounts"
    label = "chassis_accounts"
