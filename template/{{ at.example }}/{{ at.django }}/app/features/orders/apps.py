"""Orders, as Django finds them."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "app.features.orders"
