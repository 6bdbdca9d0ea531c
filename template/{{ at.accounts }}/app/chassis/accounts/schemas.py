"""What is sent to register, to log in and to change an account, and what comes back."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.chassis.accounts.passwords import LEAST_CHARACTERS, MOST_CHARACTERS

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._%+@-]*[a-z0-9])?")
MOST_NAME: Final = 254


def check_name(value: str) -> str:
    """In lower case: one person is one account, however a name is typed."""
    lowered = value.lower()
    if NAME.fullmatch(lowered) is None:
        # Letters of other alphabets look like these: two people must not look like one.
        raise ValueError("a name is of the letters a to z, digits and ._%+@- between them, such as ada@example.com")
    return lowered


# The document says of a name what is checked: JSON Schema knows no flag for letters of both cases.
WRITTEN: Final = r"^[A-Za-z0-9]([A-Za-z0-9._%+@-]*[A-Za-z0-9])?$"
Name = Annotated[
    str,
    Field(min_length=1, max_length=MOST_NAME, json_schema_extra={"pattern": WRITTEN}, examples=["ada@example.com"]),
    AfterValidator(check_name),
]
Password = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
NewPassword = Annotated[
    str,
    Field(
        min_length=LEAST_CHARACTERS,
        max_length=MOST_CHARACTERS,
        json_schema_extra={"format": "password"},
        examples=["a lamp on four tables"],
    ),
]
Code = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Registration(Strict):
    name: Name
    password: NewPassword


class Login(Strict):
    """`code` is of the second factor, for an account that has one."""

    name: Name
    password: Password
    code: Code | None = None


class PasswordChange(Strict):
    current_password: Password
    new_password: NewPassword


class PasswordAgain(Strict):
    password: Password


class SecondFactorRemoval(PasswordAgain):
    code: Code


class CodeOnly(Strict):
    code: Code


class Accepted(BaseModel):
    """The same for a name that is taken: nobody learns which accounts there are."""

    status: Literal["accepted"] = "accepted"


class SecondFactor(BaseModel):
    """`uri` is what an authenticator app reads as a QR code."""

    secret: str
    uri: str


class Me(BaseModel):
    subject: str
    name: str
    scopes: list[str]
    second_factor: bool
