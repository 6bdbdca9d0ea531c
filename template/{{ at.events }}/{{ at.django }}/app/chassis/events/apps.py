"""The tables of events, as Django finds them."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "app.chassis.events"
    label = "chassis_events"
