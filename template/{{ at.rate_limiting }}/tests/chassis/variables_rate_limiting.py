"""Limits that no other test meets, for every class that the probe's routes declare."""

VARIABLES = {"RATE_LIMITS": "default=1000000/60, often=1000/60, seldom=2/2"}
