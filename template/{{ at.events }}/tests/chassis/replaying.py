"""The command for dead letters, with the handlers of these tests."""

from app.chassis.events import dead_letters, registry

discover = registry.discover


def main() -> None:
    registry.discover = discovered
    dead_letters.main()


def discovered() -> None:
    from tests.chassis import eventful  # noqa: F401, PLC0415 - the framework is set up by now

    discover()
