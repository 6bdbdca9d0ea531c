"""The Kafka of these tests, and how to put something on it that no relay would.

Where none is given and none listens, a process of its own plays one (`playing_kafka.py`).
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from struct import pack, unpack
from uuid import uuid4

from tests.chassis import outage

VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
USUAL = "127.0.0.1:9092"
REAL = os.environ.get(VARIABLE) or (USUAL if outage.answers(f"kafka://{USUAL}") else "")
# What nobody has acknowledged comes again when its consumer is thought dead. Kafka itself takes no less than 6.
IMPATIENT = {"KAFKA_SESSION_TIMEOUT": "6" if REAL else "3"}
MISSING = f"no Kafka answers on {REAL}: correct {VARIABLE}, or unset it"
TYPES = ("probe.noted", "orders.placed", "orders.cancelled")
ONE_AT_A_TIME = threading.Lock()


def is_there() -> bool:
    return not REAL or outage.answers(f"kafka://{REAL.split(',')[0]}")


def servers() -> str:
    with ONE_AT_A_TIME:
        return REAL or played()


@cache
def playing() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chassis.playing_kafka"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def played() -> str:
    process = playing()
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stop_playing() -> None:
    """It ends with whoever has started it, too, as it reads what nobody writes."""
    if playing.cache_info().currsize:
        with playing() as process:
            process.kill()


def variables(url: str = "") -> dict[str, str]:
    """Topics and a group of this run's own."""
    name = f"test-{uuid4().hex}"
    if not REAL:
        ask_after(*(f"{name}.{kind}" for kind in TYPES))
    return {VARIABLE: url or servers(), "KAFKA_TOPIC_PREFIX": f"{name}.", "EVENTS_GROUP": name}


def ask_after(*topics: str) -> None:
    """The one that is played makes no topics when it is told to, but when somebody asks after them."""
    from confluent_kafka import Producer  # noqa: PLC0415 - only where events are tested

    client = Producer({"bootstrap.servers": servers()})
    for topic in topics:
        client.list_topics(topic, timeout=5)


def send(env: dict[str, str], kind: str, *bodies: bytes) -> None:
    from confluent_kafka import Producer  # noqa: PLC0415 - as above

    client = Producer({"bootstrap.servers": servers(), "acks": "all"})
    for body in bodies:
        client.produce(f"{env['KAFKA_TOPIC_PREFIX']}{kind}", body, key=b"one")
    assert client.flush(5) == 0


def forget(env: dict[str, str]) -> None:
    """Leave nothing behind."""
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - as above

    if REAL:
        client = AdminClient({"bootstrap.servers": servers()})
        for done in client.delete_topics([f"{env['KAFKA_TOPIC_PREFIX']}{kind}" for kind in TYPES]).values():
            done.result()


class Proxy(outage.Proxy):
    """A broker tells its clients where to go on: through here they are told to come here."""

    def __init__(self) -> None:
        super().__init__(f"kafka://{servers().split(',')[0]}")
        self.url = self.url.removeprefix("kafka://")

    def translation(self) -> Callable[[bytes], bytes]:
        rest = bytearray()
        host, port = self.target
        there, here = host.encode() + pack(">i", port), host.encode() + pack(">i", self.port)

        def translated(data: bytes) -> bytes:
            """Whole answers, each with its length in front: in some of them a port stands behind its host."""
            rest.extend(data)
            whole = b""
            while len(rest) >= 4 and len(rest) >= (end := 4 + int(unpack(">i", rest[:4])[0])):
                whole += rest[:end]
                del rest[:end]
            return whole.replace(there, here)

        return translated
