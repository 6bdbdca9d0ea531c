"""Tests try many keys in vain, all from one address."""

VARIABLES = {"AUTH_FAILURES": "1000000"}
