#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - wants the line above

    from app.chassis import logging, server  # noqa: PLC0415

    server.refuse(server.settings_problems())
    # What a command logs is redacted and has the shape of the service's own lines.
    logging.configure()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
