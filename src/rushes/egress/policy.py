"""What the operator allows, and the one way in which egress says no to itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rushes.egress.addresses import Network

Resolve = Callable[[str, int], Sequence[str]]
"""All numeric addresses of a host name; called with the port, too. Raises OSError where there are none."""


class NotReached(Exception):
    """No answer that may be used. `reason` is for the log alone: it tells a stranger what is inside the network."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def system_resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Where requests may go. The default is the public internet, by https, on the usual ports."""

    enabled: bool = True
    """False: no request leaves at all."""
    http: bool = False
    """Whether plain http may be used everywhere; inside `networks` it always may."""
    ports: frozenset[int] = frozenset((80, 443))
    hosts: tuple[str, ...] = ()
    """Host names that may be asked, `*.example.org` for all below one; empty means any."""
    networks: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public: an own object store, a receiver next door."""
    proxy: str | None = None
    """All requests go through this http(s) proxy, which then resolves the names and must guard what they lead to."""
    ca_file: Path | None = None
    """Certificates to trust besides the public ones."""
    resolve: Resolve = system_resolve

    def allows_host(self, host: str) -> bool:
        if not self.hosts:
            return True
        return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in self.hosts)
