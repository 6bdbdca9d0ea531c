"""On a machine that the tests keep busy requests wait: only the tests of load shedding want to see some refused."""

VARIABLES = {"LOAD_SHEDDING_TARGET": "1"}
