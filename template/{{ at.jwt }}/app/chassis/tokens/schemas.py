"""What is sent for tokens, and what comes back."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool

from app.chassis.accounts.schemas import Strict

Token = Annotated[str, Field(min_length=1, max_length=255)]


class RefreshToken(Strict):
    refresh_token: Token


class Logout(RefreshToken):
    """`everywhere`: all logins of the account end, not only this one."""

    everywhere: StrictBool = False


class Tokens(BaseModel):
    """RFC 6749, section 5.1; `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the kind of it
    expires_in: int
    refresh_token: str
