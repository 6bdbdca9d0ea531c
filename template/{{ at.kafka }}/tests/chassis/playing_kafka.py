"""Plays Kafka, one broker, in memory: librdkafka has it for tests of clients, and it speaks the protocol on a port."""

import sys


def main() -> None:
    from confluent_kafka import Producer  # noqa: PLC0415 - in this process alone

    client = Producer({"bootstrap.servers": "nowhere", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = client.list_topics(timeout=10).brokers.values()
    sys.stdout.write(f"{broker.host}:{broker.port}\n")
    sys.stdout.flush()
    # Whoever has started it holds the other end, and closes it when it ends.
    sys.stdin.read()


if __name__ == "__main__":
    main()
