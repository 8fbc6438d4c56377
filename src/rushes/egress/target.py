"""A URL, read once and strictly; everything that can be decided without asking the network is decided here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

from rushes.egress.addresses import is_address, may_be_dialled
from rushes.egress.policy import EgressPolicy, NotReached
from rushes.errors import InvalidValue

MAX_URL_CHARS = 8192  # signed addresses of object stores reach two thousand
DEFAULT_PORTS = {"http": 80, "https": 443}
ALLOWED = "an https address of a public host on port 443 or 80, or what the operator of this server opened"

SHAPE = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?", re.I
)
AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.I)
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
AS_WRITTEN = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is a lower-case name or a bare numeric address; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """All of the address that may stand in a log: paths and queries carry other people's secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")


def parse_target(url: str, policy: EgressPolicy) -> Target:
    """`url` as a target that `policy` lets us try. Raises `NotReached` whose reason names what is wrong with it."""
    if not policy.enabled:
        raise NotReached("addresses are not used on this server")
    if len(url) > MAX_URL_CHARS:
        raise NotReached(f"longer than {MAX_URL_CHARS} characters")
    # A backslash, a tab or a line feed is read in three different ways by three parsers.
    if not url.isprintable() or "\\" in url or " " in url:
        raise NotReached("a space, a backslash or a control character")
    if (found := SHAPE.fullmatch(url)) is None:
        raise NotReached("no address")
    scheme = found["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise NotReached("neither http nor https")
    if scheme == "http" and not (policy.http or policy.networks):
        raise NotReached("http without TLS")
    if "@" in found["authority"]:
        raise NotReached("a user name")
    if (authority := AUTHORITY.fullmatch(found["authority"])) is None:
        raise NotReached("no host name in ASCII")  # an international one is written xn--…
    port = int(authority["port"] or DEFAULT_PORTS[scheme])
    if port not in policy.ports:
        raise NotReached(f"port {port}")
    host = _checked_host(authority["host"].lower(), policy)
    path = quote((found["path"] or "/") + (found["query"] or ""), safe=AS_WRITTEN)
    return Target(scheme, host, port, path)


def _checked_host(host: str, policy: EgressPolicy) -> str:
    """`host` as a name to resolve or an address to dial; a numeric one in any but its plain spelling is refused."""
    if host.startswith("["):
        try:
            host = str(IPv6Address(host[1:-1]))
        except AddressValueError:
            raise NotReached("no IPv6 address") from None
    else:
        host = host.removesuffix(".")
        labels = host.split(".")
        if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
            raise NotReached("no host name")
        # 2130706433, 0x7f.1, 0177.0.0.1 and 127.1 are all 127.0.0.1 to a resolver; browsers read them so, too.
        if NUMBER.fullmatch(labels[-1]) and not is_address(host):
            raise NotReached("a number in place of a host")
    if not policy.allows_host(host):
        raise NotReached("a host that is not on the operator's list")
    if is_address(host) and not may_be_dialled(host, policy.networks):
        raise NotReached("an address that is not public")
    return host


def check_url(url: str, policy: EgressPolicy, field: str) -> None:
    """Refuse, before anything is queued, a URL that could never be asked. Resolves nothing.

    Raises `InvalidValue` naming `field`. Only what the client itself wrote is told.
    """
    try:
        parse_target(url, policy)
    except NotReached as refusal:
        raise InvalidValue(field=field, given=refusal.reason, allowed=ALLOWED) from None
