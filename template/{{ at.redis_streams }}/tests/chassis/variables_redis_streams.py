"""A broker that no web process speaks to."""

from tests.chassis.event_broker import URL, VARIABLE

VARIABLES = {VARIABLE: URL}
