"""How Redis is addressed."""

from typing import Final

NAME: Final = "Redis"
SCHEMES: Final = ("redis", "rediss")
EXAMPLE: Final = "redis://localhost:6379/0"
