"""The service's own settings; each field is an environment variable of the same name in capitals."""

from app.chassis.settings import BaseSettings


class Settings(BaseSettings):
    """Read anywhere with `app.chassis.settings.load(Settings)`; a wrong value stops the start."""
