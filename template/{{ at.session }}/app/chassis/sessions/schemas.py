"""What is sent for sessions, and what comes back."""

from datetime import datetime

from pydantic import BaseModel, StrictBool

from app.chassis.accounts.schemas import Strict


class Logout(Strict):
    """`everywhere`: all sessions of the account end, not only this one."""

    everywhere: StrictBool = False


class SessionOut(BaseModel):
    """`csrf_token` goes into X-CSRF-Token; it ends at `expires_at`, or after `idle_seconds` without a request."""

    csrf_token: str
    expires_at: datetime
    idle_seconds: int
