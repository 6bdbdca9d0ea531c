"""Who asks, for everything that has to know: a feature asks here, whatever way of authentication the service has."""

from dataclasses import dataclass

from app.chassis.exchange import current


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` is who it is, for good; `scopes` are what it may do; `tenant` is whom it belongs to, if to anybody."""

    subject: str = ""
    scopes: frozenset[str] = frozenset()
    tenant: str = ""

    def may(self, scope: str) -> bool:
        return scope in self.scopes


ANONYMOUS = Principal()
"""Whoever has not said who it is: everybody, in a service without authentication."""


def principal() -> Principal:
    """Who makes the request that is being served."""
    exchange = current.get()
    return ANONYMOUS if exchange is None or exchange.principal is None else exchange.principal
