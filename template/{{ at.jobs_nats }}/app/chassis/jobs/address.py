"""How NATS is addressed."""

from typing import Final

NAME: Final = "NATS"
SCHEMES: Final = ("nats", "tls")
EXAMPLE: Final = "nats://localhost:4222"
