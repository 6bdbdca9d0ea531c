"""Every service of the tests trusts the provider of the tests."""

from tests.chassis.provider import AUDIENCE, provider

VARIABLES = {"OIDC_ISSUER": provider().url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_KEYS_PAUSE": "0.1"}
