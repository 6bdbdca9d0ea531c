"""The table of sessions, as Django finds it."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "app.chassis.sessions"
    label = "chassis_sessions"
