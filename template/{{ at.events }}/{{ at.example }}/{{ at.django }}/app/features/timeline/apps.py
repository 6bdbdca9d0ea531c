"""The timeline, as Django finds it."""

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    name = "app.features.timeline"
