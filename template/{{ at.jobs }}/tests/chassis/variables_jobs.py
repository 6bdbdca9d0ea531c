"""Only the workers that a test starts run jobs: others would take them from the tests that share a database."""

VARIABLES = {"BACKGROUND": "none"}
