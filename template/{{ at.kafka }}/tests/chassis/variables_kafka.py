"""A broker that no web process speaks to."""

from tests.chassis.event_broker import VARIABLE

VARIABLES = {VARIABLE: "127.0.0.1:9092"}
