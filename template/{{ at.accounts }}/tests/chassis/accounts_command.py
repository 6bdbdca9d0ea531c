"""The command for accounts, given a password as somebody would type it."""

import io
import os
import sys

from app.chassis.accounts import manage


def main() -> None:
    sys.stdin = io.StringIO(os.environ["PASSWORD_FOR_TESTS"] + "\n")
    manage.main()


if __name__ == "__main__":
    main()
