"""How RabbitMQ is addressed."""

from typing import Final

NAME: Final = "RabbitMQ"
SCHEMES: Final = ("amqp", "amqps")
EXAMPLE: Final = "amqp://user:password@localhost:5672/"
