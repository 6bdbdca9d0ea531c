"""Every service of the tests signs with the same keys."""

from tests.chassis.keys import folder

VARIABLES = {"JWT_KEYS": str(folder())}
