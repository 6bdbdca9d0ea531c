"""`python -m app` starts the service."""

from app.chassis.server import main

if __name__ == "__main__":
    main()
