"""`manage.py seed`: the same as `python -m app.chassis.seed`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from app.chassis import planting, seed


class Command(BaseCommand):
    help = "Rows to develop with, from every feature that has a seed.py"

    def add_arguments(self, parser: CommandParser) -> None:
        seed.add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        planting.run(lambda: seed.sow(count=options["count"], owner=options["owner"], production=options["production"]))
