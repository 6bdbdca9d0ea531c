"""Events over Kafka: one topic for each type, whose partitions the consumers of a group share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.chassis import about
from app.chassis.settings import BaseSettings, in_production, load, split_url

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

    from app.chassis.events.connection import Connection

CONNECT_SECONDS: Final = 5.0
log = structlog.get_logger()


class Settings(BaseSettings):
    kafka_bootstrap_servers: str = Field(
        "",
        validate_default=True,
        description="Brokers of Kafka, several by commas; required in production.",
        examples=["localhost:9092"],
    )
    kafka_topic_prefix: str = Field(
        "events.",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="What the names of the topics begin with.",
        examples=["events."],
    )
    kafka_partitions: int = Field(
        6, ge=1, le=10_000, description="Partitions of a topic that is made because it is missing.", examples=["6"]
    )
    kafka_session_timeout: float = Field(
        10.0,
        ge=1,
        le=1800,
        description="Seconds after which the partitions of a consumer that shows no sign of life go to others.",
        examples=["10"],
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to Kafka.", examples=["SASL_SSL"]
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to say who one is, with SASL.", examples=["SCRAM-SHA-512"]
    )
    kafka_sasl_username: str = Field(
        "", validate_default=True, description="Who the service is to Kafka, with SASL.", examples=[about.NAME]
    )
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="The password to that.", examples=["a secret"]
    )
    kafka_ssl_ca: str = Field(
        "",
        description="File with the authority that signed the brokers' certificates; the system's own by default.",
        examples=["/etc/ssl/kafka.pem"],
    )

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def check_servers(cls, value: str, info: ValidationInfo) -> str:
        if not value and in_production(info):
            raise ValueError("is missing: without a broker no event would leave this service")
        for one in value.split(",") if value else ():
            parts = split_url(f"//{one.strip()}")
            if parts.hostname is None or parts.port is None or parts.netloc != one.strip() or "@" in one:
                raise ValueError("is for no Kafka: it is host:port, several by commas")
        return value

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def check_login(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        protocol = info.data.get("kafka_security_protocol", "")
        if not given and protocol.startswith("SASL"):
            raise ValueError(f"is missing: KAFKA_SECURITY_PROTOCOL is {protocol}")
        if given and protocol and not protocol.startswith("SASL"):
            raise ValueError(f"would not be used: KAFKA_SECURITY_PROTOCOL is {protocol} and not SASL_SSL")
        return value

    @field_validator("kafka_ssl_ca")
    @classmethod
    def check_authority(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("kafka_security_protocol", "")
        if value and protocol and not protocol.endswith("SSL"):
            raise ValueError(f"would not be used: KAFKA_SECURITY_PROTOCOL is {protocol} and not SASL_SSL or SSL")
        if value and not Path(value).is_file():
            raise ValueError("is no file that can be read")
        return value

    def client(self) -> dict[str, Any]:
        """What each client of librdkafka is told."""
        said: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap_servers,
            "client.id": about.NAME,
            "security.protocol": self.kafka_security_protocol,
            "socket.connection.setup.timeout.ms": int(CONNECT_SECONDS * 1000),
            "reconnect.backoff.max.ms": 1000,
            # A line for each attempt to connect: the loops say themselves that they cannot go on.
            "log_level": 0,
            "error_cb": complain,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            said |= {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password.get_secret_value(),
            }
        return said | ({"ssl.ca.location": self.kafka_ssl_ca} if self.kafka_ssl_ca else {})


def complain(error: "KafkaError") -> None:
    """Of what would otherwise look as if nobody were there."""
    from confluent_kafka import KafkaError  # noqa: PLC0415 - the loops do, not the start

    if error.code() in {KafkaError._AUTHENTICATION, KafkaError._SSL}:  # noqa: SLF001 - they are public
        log.warning("events.kafka_refused", reason=error.str())


def given() -> bool:
    """Whether there is a broker."""
    return bool(load(Settings).kafka_bootstrap_servers)


@asynccontextmanager
async def connect() -> AsyncIterator["Connection"]:
    """Raises whatever is in the way."""
    # librdkafka takes a while to load, and so does what uses it: the loops do, not the start.
    from app.chassis.events.connection import Connection  # noqa: PLC0415
    from app.chassis.events.variables import Settings as Events  # noqa: PLC0415 - it imports this module

    connection = Connection(load(Events))
    try:
        await connection.topics.look()
        yield connection
    finally:
        await connection.close()
