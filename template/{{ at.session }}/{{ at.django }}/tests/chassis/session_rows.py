"""All that the database has of sessions."""

from app.chassis.accounts.store import run


def main() -> None:
    run(show)


def show() -> None:
    from app.chassis.sessions.models import SessionRow  # noqa: PLC0415 - Django is set up by now

    print(list(SessionRow.objects.values_list()))  # noqa: T201 - as asked


if __name__ == "__main__":
    main()
