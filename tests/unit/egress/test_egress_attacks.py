"""One table of attacks: each is refused, within the deadline, in the same words, and reaches nothing inside."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import pytest
from egress_servers import INSIDE, OUTSIDE, Ground, elapsed, watched_sockets

from rushes.egress.fetch import fetch
from rushes.errors import MediaFetchFailed

DEADLINE_S = 0.7
MAX_BYTES = 100_000
FIELD = "media.frame_images[1]"

NOT_PUBLIC = "an address that is not public"
NUMBER = "a number in place of a host"
NO_NAME = "no host name in ASCII"
SPACE = "a space, a backslash or a control character"
SCHEME = "neither http nor https"
SLOW = "too slow"
UNRESOLVED = "not resolved in time"
HTTP = "no readable HTTP"


@dataclass(frozen=True)
class Attack:
    name: str
    url: str
    reason: str  # as the log says it


SPELLINGS = [
    Attack("a file", "file:///etc/passwd", SCHEME),
    Attack("gopher", "gopher://127.0.0.2:{port}/_x", SCHEME),
    Attack("ftp", "ftp://public.test/cat.png", SCHEME),
    Attack("a unix socket", "http+unix://%2Frun%2Fdocker.sock/info", SCHEME),
    Attack("no scheme", "//127.0.0.2:{port}/cat.png", "no address"),
    Attack("no host", "http:///cat.png", NO_NAME),
    Attack("a name before the host", "http://public.test@127.0.0.2:{port}/cat.png", "a user name"),
    Attack("a name and a password", "http://a:canary@127.0.0.2:{port}/cat.png", "a user name"),
    Attack("a backslash before the @", "http://public.test:{port}\\@127.0.0.2:{port}/cat.png", SPACE),
    Attack("backslashes for slashes", "http:\\\\127.0.0.2:{port}\\cat.png", SPACE),
    Attack("a tab in the host", "http://127.0.\t0.2:{port}/cat.png", SPACE),
    Attack("a header in the path", "http://public.test:{port}/x HTTP/1.1\r\nX: y", SPACE),
    Attack("a zero byte", "http://public.test\0.inner.test:{port}/cat.png", SPACE),
    Attack("a space first", " http://127.0.0.2:{port}/cat.png", SPACE),
    Attack("full-width dots", "http://127。0。0。2:{port}/cat.png", NO_NAME),
    Attack("full-width digits", "http://１２７.0.0.2:{port}/cat.png", NO_NAME),
    Attack("letters in circles", "http://ⓘnner.test:{port}/cat.png", NO_NAME),
    Attack("percent signs in the host", "http://%31%32%37.0.0.2:{port}/cat.png", NO_NAME),
    Attack("a label that is too long", "http://" + "a" * 64 + ".test:{port}/cat.png", "no host name"),
    Attack("an empty label", "http://inner..test:{port}/cat.png", "no host name"),
    Attack("port 22", "http://127.0.0.1:22/", "port 22"),
    Attack("port 6379", "http://public.test:6379/cat.png", "port 6379"),
    Attack("port 0", "http://public.test:0/cat.png", "port 0"),
    Attack("port 99999", "http://public.test:99999/cat.png", "port 99999"),
    Attack("a port with a sign", "http://public.test:+80/cat.png", NO_NAME),
    Attack("9,000 characters", "http://public.test:{port}/" + "a" * 9000, "longer than 8192 characters"),
]

NUMERIC = [
    Attack("decimal", "http://2130706434:{port}/cat.png", NUMBER),
    Attack("hex", "http://0x7f000002:{port}/cat.png", NUMBER),
    Attack("hex in parts", "http://0x7f.0x0.0x0.0x2:{port}/cat.png", NUMBER),
    Attack("octal", "http://0177.0.0.2:{port}/cat.png", NUMBER),
    Attack("octal in one", "http://017700000002:{port}/cat.png", NUMBER),
    Attack("short", "http://127.2:{port}/cat.png", NUMBER),
    Attack("three parts", "http://127.0.2:{port}/cat.png", NUMBER),
    Attack("zeros before", "http://127.0.0.002:{port}/cat.png", NUMBER),
    Attack("over 255", "http://127.0.0.258:{port}/cat.png", NUMBER),
    Attack("five parts", "http://1.127.0.0.2:{port}/cat.png", NUMBER),
    Attack("plain", "http://127.0.0.2:{port}/cat.png", NOT_PUBLIC),
    Attack("a dot at the end", "http://127.0.0.2.:{port}/cat.png", NOT_PUBLIC),
    Attack("zero", "http://0.0.0.0:{port}/cat.png", NOT_PUBLIC),
    Attack("just 0", "http://0:{port}/cat.png", NUMBER),
    Attack("metadata", "http://169.254.169.254:{port}/latest/meta-data/", NOT_PUBLIC),
    Attack("metadata in carrier space", "http://100.100.100.200:{port}/latest/meta-data/", NOT_PUBLIC),
    Attack("a cloud's host agent", "http://168.63.129.16:{port}/machine", NOT_PUBLIC),
    Attack("IPv6 loopback", "http://[::1]:{port}/cat.png", NOT_PUBLIC),
    Attack("IPv6 unspecified", "http://[::]:{port}/cat.png", NOT_PUBLIC),
    Attack("v4-mapped", "http://[::ffff:127.0.0.2]:{port}/cat.png", NOT_PUBLIC),
    Attack("v4-mapped in hex", "http://[::ffff:7f00:2]:{port}/cat.png", NOT_PUBLIC),
    Attack("v4-compatible", "http://[::127.0.0.2]:{port}/cat.png", NOT_PUBLIC),
    Attack("NAT64", "http://[64:ff9b::7f00:2]:{port}/cat.png", NOT_PUBLIC),
    Attack("6to4", "http://[2002:7f00:2::]:{port}/cat.png", NOT_PUBLIC),
    Attack("metadata by IPv6", "http://[fd00:ec2::254]:{port}/latest/meta-data/", NOT_PUBLIC),
    Attack("a scope", "http://[fe80::1%25lo]:{port}/cat.png", NO_NAME),
    Attack("half an IPv6 address", "http://[::1:{port}/cat.png", NO_NAME),
]

NAMES = [
    Attack(f"a name for {name.removesuffix('.test')}", f"http://{name}:{{port}}/cat.png?key={{canary}}", NOT_PUBLIC)
    for name in (
        "inner.test",
        "mixed.test",
        "mixed-last.test",
        "mapped.test",
        "compatible.test",
        "nat64.test",
        "sixtofour.test",
        "teredo.test",
        "unspecified.test",
        "unspecified6.test",
        "loopback6.test",
        "private10.test",
        "private172.test",
        "private192.test",
        "carrier.test",
        "metadata.test",
        "metadata-carrier.test",
        "metadata6.test",
        "host-agent.test",
        "linklocal6.test",
        "sitelocal6.test",
        "multicast.test",
        "multicast6.test",
        "broadcast.test",
        "nonsense.test",
    )
] + [
    Attack("a name for nothing", "http://nothing.test:{port}/cat.png", "no such name"),
    Attack("a name server that hangs", "http://hanging.test:{port}/cat.png", UNRESOLVED),
]

REDIRECTS = [
    Attack(f"a redirect {path.replace('-', ' ')}", f"http://public.test:{{port}}/{path}?key={{canary}}", reason)
    for path, reason in (
        ("to-inner", NOT_PUBLIC),
        ("to-inner-name", NOT_PUBLIC),
        ("to-inner-relative", NOT_PUBLIC),
        ("to-decimal", NUMBER),
        ("to-file", SCHEME),
        ("to-gopher", SCHEME),
        ("to-user", "a user name"),
        ("to-port", "port 22"),
        ("to-bracket", "a redirect to no address"),
        ("to-nowhere", "a redirect to nowhere"),
        ("loop", "more than 3 redirects"),
        ("moved-four-times", "more than 3 redirects"),
    )
] + [
    Attack("a name that means another host at the next hop", "http://hop.test:{port}/to-itself", NOT_PUBLIC),
    Attack("a redirect from https to http", "https://public.test:{tls}/to-http", "a redirect from https to http"),
]

ANSWERS = [
    Attack(f"an answer: {path.replace('-', ' ')}", f"http://public.test:{{port}}/{path}?key={{canary}}", reason)
    for path, reason in (
        ("gzip-bomb", "an encoded body"),
        ("encoded-twice", "an encoded body"),
        ("gzip-transfer", HTTP),
        ("terabyte", "more than 100000 bytes announced"),
        ("length-too-small", HTTP),
        ("length-of-words", HTTP),
        ("length-of-digits", HTTP),
        ("two-lengths", HTTP),
        ("endless-chunks", "more than 100000 bytes sent"),
        ("endless-body", "more than 100000 bytes sent"),
        ("endless-headers", HTTP),
        ("endless-continue", SLOW),
        ("slow-body", SLOW),
        ("slow-headers", SLOW),
        ("silent", SLOW),
        ("reset", "ReadError"),
        ("banner", HTTP),
        ("nothing", HTTP),
        ("not-found", "status 404"),
        ("broken", "status 500"),
        ("part", "status 206"),
        ("empty", "status 204"),
    )
] + [
    Attack("a certificate for another name", "https://other.test:{tls}/cat.png", "certificate verify failed"),
    Attack("a server that does not speak TLS", "https://public.test:{port}/cat.png", SLOW),
]

ATTACKS = [*SPELLINGS, *NUMERIC, *NAMES, *REDIRECTS, *ANSWERS]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_and_reaches_nothing_inside(
    attack: Attack, on: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    # The others have time: on a busy machine, any of them would be too slow as well.
    deadline_s = DEADLINE_S if attack.reason in (SLOW, UNRESOLVED) else 20.0
    started = time.monotonic()
    with watched_sockets() as seen, caplog.at_level(logging.INFO), pytest.raises(MediaFetchFailed) as refusal:
        fetch(on.url(attack.url), max_bytes=MAX_BYTES, deadline_s=deadline_s, policy=on.policy, field=FIELD)

    assert elapsed(started) < deadline_s + 10  # it ends at the deadline; the rest is what a busy machine may add
    assert on.inner.requests == []
    outside = {("socket.connect", (OUTSIDE, port)) for port in (on.public.port, on.secure.port)}
    assert set(seen) <= outside | {("socket.getaddrinfo", OUTSIDE)}

    assert refusal.value.message == MediaFetchFailed(field=FIELD).message
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__
    assert attack.reason in caplog.text
    assert "canary" not in caplog.text


def test_there_are_as_many_attacks_as_were_promised() -> None:
    assert len({attack.url for attack in ATTACKS}) == len(ATTACKS) >= 39


def test_the_inside_would_have_answered(on: Ground) -> None:
    """The control of all controls: without the guard's rule the canary is hit."""
    from ipaddress import ip_network

    everything = on.fresh(networks=(ip_network("127.0.0.0/8"),))
    for url in ("http://127.0.0.2:{port}/cat.png", "http://inner.test:{port}/cat.png"):
        fetch(on.url(url), max_bytes=MAX_BYTES, deadline_s=10, policy=everything.policy)
    assert len(on.inner.requests) == 2


def test_a_name_that_changes_between_the_check_and_the_connection_is_asked_once(on: Ground) -> None:
    came = fetch(
        on.url("http://rebinding.test:{port}/echo"), max_bytes=MAX_BYTES, deadline_s=10, policy=on.policy, field=FIELD
    )
    assert came.data.startswith(b"GET /echo")
    assert on.names.asked == ["rebinding.test"]
    assert on.inner.requests == []
    assert INSIDE in on.names("rebinding.test", 80)  # the second answer would have led inside


def test_the_system_s_own_names_are_held_to_the_same_rules(caplog: pytest.LogCaptureFixture) -> None:
    from rushes.egress.policy import EgressPolicy

    with pytest.raises(MediaFetchFailed):
        fetch("https://localhost/", max_bytes=MAX_BYTES, deadline_s=10, policy=EgressPolicy())
    assert "https://localhost: an address that is not public" in caplog.text
