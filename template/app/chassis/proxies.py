"""Who asks, seen through the proxies that this service trusts; everybody else's word is ignored."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from pydantic import Field

from app.chassis.exchange import Exchange
from app.chassis.settings import BaseSettings, Networks, load

Network = IPv4Network | IPv6Network
MOST_HOPS: Final = 32
MOST_QUEUED: Final = 60.0
CLOCKS_DIFFER: Final = 3600.0
# Who has an IPv6 address has as many of them as a network of this size.
IPV6_NETWORK: Final = 64
_STARTED: Final = re.compile(r"(?:t=)?((\d{10,16})(?:\.\d{1,9})?)")


class Settings(BaseSettings):
    trusted_proxies: Networks = Field(
        (),
        description="Addresses and networks whose X-Forwarded-For is believed; none by default.",
        examples=["10.0.0.0/8,192.168.1.7"],
    )


_trusted: tuple[Network, ...] = ()


@contextmanager
def resources() -> Iterator[None]:
    global _trusted
    _trusted = tuple(ip_network(one) for one in load(Settings).trusted_proxies)
    yield


def enter(exchange: Exchange) -> None:
    if _trusted and _is_trusted(exchange.client):
        exchange.queued = queued(exchange.header("x-request-start") or "", now=time.time())
        exchange.client = behind(exchange.client, exchange.header("x-forwarded-for") or "")


def queued(started: str, *, now: float) -> float:
    """Seconds since the proxy got the request, by its X-Request-Start: `t=` and seconds, milli- or microseconds."""
    found = _STARTED.fullmatch(started)
    if found is None:
        return 0.0
    # In this century seconds have 10 digits, milliseconds 13 and microseconds 16.
    seconds = float(found[1]) / {10: 1.0, 13: 1e3, 16: 1e6}.get(len(found[2]), 1.0)
    # Clocks that differ by more than a request may wait say nothing.
    return min(max(0.0, now - seconds), MOST_QUEUED) if abs(now - seconds) < CLOCKS_DIFFER else 0.0


def behind(client: str, forwarded: str) -> str:
    """The last address in the chain that no trusted proxy has: what stands before it may be invented."""
    hops = [hop.strip() for hop in forwarded.split(",")[-MOST_HOPS:]] if forwarded else []
    while hops and _is_trusted(client):
        hop = hops.pop()
        if not _is_address(hop):
            break
        client = hop
    return client


def network(client: str) -> str:
    """Whom an address stands for: itself, or all of a network that nobody shares."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, IPV6_NETWORK), strict=False).network_address)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str) -> bool:
    if not _is_address(text):
        return False
    address = ip_address(text)
    return any(address in network for network in _trusted)
