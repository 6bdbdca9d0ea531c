"""How jobs come to this worker: procrastinate brings them."""

from app.chassis.jobs.engine import connected, consume

__all__ = ["connected", "consume"]
