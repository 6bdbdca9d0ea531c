"""Relays and consumers are in processes of their own, which the tests of events start."""

VARIABLES = {"BACKGROUND": "none"}
