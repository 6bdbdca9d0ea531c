"""What everybody may do in the services of the tests."""

VARIABLES = {"ACCOUNT_SCOPES": "probe:read"}
