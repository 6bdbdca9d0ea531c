"""Which addresses a URL that came from input may lead to: public ones, and those that the operator allows."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
# RFC 6052: in networks without IPv4 the resolver puts every IPv4 address behind this prefix.
NAT64: Final = IPv6Network("64:ff9b::/96")
# Translators, and blocks whose meaning has changed with the versions of Python.
NEVER: Final = (
    IPv6Network("::/96"),  # IPv4-compatible, RFC 4291
    IPv6Network("64:ff9b:1::/48"),  # local translation, RFC 8215
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("fec0::/10"),  # site-local, RFC 3879
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("100.64.0.0/10"),  # shared by carriers, and clouds' metadata
    IPv4Network("192.0.0.0/24"),
)


def is_public(text: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether this address, as a resolver gave it, may be connected to."""
    try:
        address = inner(ip_address(text))
    except ValueError:
        return False
    if any(address in network for network in allowed):
        return True
    # Multicast addresses, and some that are reserved, count as global.
    odd = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not odd and not any(address in network for network in NEVER)


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
