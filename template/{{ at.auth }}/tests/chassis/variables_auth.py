"""What the roles of the tests may do."""

VARIABLES = {"ROLES": "clerk=probe:read probe:write, auditor=probe:read"}
