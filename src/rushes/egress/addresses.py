"""Which addresses a stranger's URL may lead to: the public internet, by a table of our own.

Python's `is_global` and `is_private` are not enough: their tables change between patch releases, and they let through
a cloud's metadata address in 100.64/10, 168.63.129.16, and IPv6 addresses that carry an inner IPv4 one.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; one cloud's metadata service lives here
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; the other clouds' metadata service
        "168.63.129.16/32",  # a cloud's host agent, in the middle of public space
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""IANA's registry of special-purpose IPv4 addresses, multicast and what a cloud put elsewhere."""

OPEN_V6 = IPv6Network("2000::/3")
"""All global unicast there is. What lies outside is local, mapped, translated (64:ff9b::/96) or not given out."""

CLOSED_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries any IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def may_be_dialled(address: str, opened: Sequence[Network] = ()) -> bool:
    """Whether a connection to `address` (numeric, as a resolver gives it) may be made.

    `opened` are networks that the operator allows besides the public ones. What is no address at all may not.
    """
    ip = _parsed(address)
    return ip is not None and (_within(ip, opened) or _is_public(ip))


def is_opened(address: str, opened: Sequence[Network]) -> bool:
    """Whether `address` lies in a network that the operator named."""
    ip = _parsed(address)
    return ip is not None and _within(ip, opened)


def is_address(host: str) -> bool:
    """Whether `host` is numeric in its plain spelling, so that nothing is left to resolve."""
    return _parsed(host) is not None


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    # ::ffff:a.b.c.d is dialled as a.b.c.d
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _within(ip: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(ip in network for network in networks)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not _within(ip, CLOSED_V4)
    return ip.scope_id is None and ip in OPEN_V6 and not _within(ip, CLOSED_V6)
