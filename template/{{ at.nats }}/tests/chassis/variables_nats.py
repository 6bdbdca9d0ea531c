"""A broker that no web process speaks to."""

from tests.chassis.event_broker import URL

VARIABLES = {"NATS_URL": URL}
