"""Real servers on loopback, one of them hostile, and the names that lead to them.

127.0.0.1 plays the public internet: the policy of the tests opens it. 127.0.0.2 plays the inside of the network, with
the same port, so that whoever is led astray gets an answer there, and is seen.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import trustme

from rushes.egress.policy import EgressPolicy

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
FILE = b"a picture, as far as anybody here knows"

ADDRESSES: dict[str, tuple[str, ...]] = {
    "public.test": (OUTSIDE,),
    "other.test": (OUTSIDE,),
    "inner.test": (INSIDE,),
    "mixed.test": (OUTSIDE, INSIDE),
    "mixed-last.test": (INSIDE, OUTSIDE),
    "mapped.test": (f"::ffff:{INSIDE}",),
    "compatible.test": (f"::{INSIDE}",),
    "nat64.test": ("64:ff9b::7f00:2",),
    "sixtofour.test": ("2002:7f00:2::",),
    "teredo.test": ("2001:0:7f00:2::",),
    "unspecified.test": ("0.0.0.0",),
    "unspecified6.test": ("::",),
    "loopback6.test": ("::1",),
    "private10.test": ("10.0.0.1",),
    "private172.test": ("172.16.0.1",),
    "private192.test": ("192.168.0.1",),
    "carrier.test": ("100.64.0.1",),
    "metadata.test": ("169.254.169.254",),
    "metadata-carrier.test": ("100.100.100.200",),
    "metadata6.test": ("fd00:ec2::254",),
    "host-agent.test": ("168.63.129.16",),
    "linklocal6.test": ("fe80::1%lo",),
    "sitelocal6.test": ("fec0::1",),
    "multicast.test": ("224.0.0.1",),
    "multicast6.test": ("ff02::1",),
    "broadcast.test": ("255.255.255.255",),
    "nonsense.test": ("not an address",),
    "nothing.test": (),
}


@dataclass
class Names:
    """The resolver of the tests; remembers what it was asked. `then` are answers from the second question on."""

    then: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host == "hanging.test":
            threading.Event().wait(3)
        if self.asked.count(host) > 1 and host in self.then:
            return self.then[host]
        return ADDRESSES.get(host, ())


Answer = Callable[[socket.socket, "Server", bytes], None]


class Server:
    """Answers each connection of one listener in a thread of its own, by the path that is asked for."""

    def __init__(self, address: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server((address, port), backlog=64)
        self.address, self.port = self._listener.getsockname()
        self.requests: list[bytes] = []
        self.links: dict[str, str] = {}
        self.stop = threading.Event()
        self._tls = tls
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(30)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                request = _request(connection)
                self.requests.append(request)
                path = request.split(b" ")[1].decode().partition("?")[0].rpartition("/")[2]
                ANSWERS[path](connection, self, request)


def _request(connection: socket.socket) -> bytes:
    """One request, head and body."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += (piece := connection.recv(65536))
        if not piece:
            raise OSError
    head, _, body = came.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | str | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(data: bytes) -> Answer:
    return lambda connection, server, request: connection.sendall(data)


def leads(where: str, status: str = "302 Found") -> Answer:
    """A redirect; {…} in it are the server's links, which know the ports."""

    def answer(connection: socket.socket, server: Server, request: bytes) -> None:
        connection.sendall(reply(b"", f"Location: {where.format(**server.links)}", status=status))

    return answer


def repeats(first: bytes, piece: bytes, every_s: float = 0.0) -> Answer:
    """`first`, then `piece` for ever."""

    def answer(connection: socket.socket, server: Server, request: bytes) -> None:
        connection.sendall(first)
        while not server.stop.wait(every_s):
            connection.sendall(piece)

    return answer


def resets(connection: socket.socket, server: Server, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def resets_at_once(connection: socket.socket, server: Server, request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def echoes(connection: socket.socket, server: Server, request: bytes) -> None:
    connection.sendall(reply(request))


BOMB = gzip.compress(bytes(2_000_000))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNBOUNDED = b"HTTP/1.1 200 OK\r\n\r\n"

ANSWERS: dict[str, Answer] = {
    "cat.png": says(reply(FILE, "Content-Type: image/PNG; charset=binary")),
    "untyped": says(reply(FILE)),
    "chunked": says(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(FILE), FILE)),
    "until-closed": says(UNBOUNDED + FILE),
    "identity": says(reply(FILE, "Content-Encoding: identity")),
    "echo": echoes,
    "moved": leads("/cat.png", "301 Moved Permanently"),
    "moved-twice": leads("moved", "308 Permanent Redirect"),
    "moved-thrice": leads("{public}/moved-twice", "307 Temporary Redirect"),
    "moved-four-times": leads("/moved-thrice"),
    "moved-with-cookie": says(reply(b"", "Location: /echo", "Set-Cookie: a=b", status="302 Found")),
    "loop": leads("/loop"),
    "to-inner": leads("{inner}/cat.png"),
    "to-inner-name": leads("{inner_name}/cat.png"),
    "to-inner-relative": leads("//" + "127.0.0.2:{port}/cat.png"),
    "to-decimal": leads("http://2130706434:{port}/cat.png"),
    "to-file": leads("file:///etc/passwd"),
    "to-gopher": leads("gopher://127.0.0.2:{port}/_x"),
    "to-user": leads("http://public.test@127.0.0.2:{port}/cat.png"),
    "to-port": leads("http://public.test:22/cat.png"),
    "to-itself": leads("{rebinding}/cat.png"),
    "to-http": leads("{public}/cat.png"),
    "to-bracket": leads("http://[::1"),
    "to-nowhere": says(reply(status="302 Found")),
    "gzip-bomb": says(reply(BOMB, "Content-Encoding: gzip")),
    "encoded-twice": says(reply(BOMB, "Content-Encoding: identity, br")),
    "gzip-transfer": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "terabyte": says(reply(b"start", length=10**12)),
    "length-too-small": says(reply(FILE * 100, length=10**5)),
    "length-of-words": says(reply(FILE, length="many")),
    "length-of-digits": says(reply(FILE, length="9" * 5000)),
    "two-lengths": says(reply(FILE, "Content-Length: 3")),
    "endless-chunks": repeats(CHUNKED, b"400\r\n" + bytes(1024) + b"\r\n"),
    "endless-body": repeats(UNBOUNDED, bytes(1024)),
    "endless-headers": repeats(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
    "endless-continue": repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.01),
    "slow-body": repeats(reply(length=10_000), b".", every_s=0.05),
    "slow-headers": repeats(b"HTTP/1.1 200 OK\r\nX: ", b".", every_s=0.05),
    "silent": repeats(b"", b"", every_s=0.05),
    "reset": resets,
    "reset-at-once": resets_at_once,
    "banner": says(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "nothing": says(b""),
    "not-found": says(reply(b"canary", status="404 Not Found")),
    "broken": says(reply(b"canary", status="500 Internal Server Error")),
    "part": says(reply(b"canary", "Content-Range: bytes 0-5/9", status="206 Partial Content")),
    "empty": says(reply(status="204 No Content")),
    "gone": says(reply(status="410 Gone")),
    "later": says(reply(b"x" * 10, "Retry-After: 120", status="429 Too Many Requests")),
}


@dataclass(frozen=True)
class Ground:
    """What an egress test stands on."""

    public: Server
    secure: Server
    inner: Server
    ca_file: Path
    names: Names
    policy: EgressPolicy

    def url(self, written: str) -> str:
        """`written` with the ports filled in."""
        return written.format(port=self.public.port, tls=self.secure.port, canary="canary")

    def fresh(self, **changes: object) -> Ground:
        """The same servers, nothing asked yet, and the policy changed."""
        names = Names({"hop.test": (INSIDE,), "rebinding.test": (INSIDE,)})
        for server in (self.public, self.secure, self.inner):
            server.requests.clear()
        values = {"resolve": names, **changes}
        return replace(self, names=names, policy=replace(self.policy, **values))  # type: ignore[arg-type]


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("public.test").configure_cert(tls)
    public = Server(OUTSIDE)
    secure = Server(OUTSIDE, tls=tls)
    inner = Server(INSIDE, public.port)
    ADDRESSES["hop.test"] = ADDRESSES["rebinding.test"] = (OUTSIDE,)
    for server in (public, secure, inner):
        server.links = {
            "port": str(public.port),
            "public": f"http://public.test:{public.port}",
            "inner": f"http://{INSIDE}:{public.port}",
            "inner_name": f"http://inner.test:{public.port}",
            "rebinding": f"http://hop.test:{public.port}",
        }
    policy = EgressPolicy(
        ports=frozenset((public.port, secure.port)), networks=(ip_network(f"{OUTSIDE}/32"),), ca_file=ca_file
    )
    try:
        yield Ground(public, secure, inner, ca_file, Names(), policy).fresh()
    finally:
        for server in (public, secure, inner):
            server.close()


_watched: list[tuple[str, object]] | None = None


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watched is not None and event in ("socket.connect", "socket.getaddrinfo"):
        _watched.append((event, arguments[1] if event == "socket.connect" else arguments[0]))


sys.addaudithook(_audit)


@contextmanager
def watched_sockets() -> Iterator[list[tuple[str, object]]]:
    """Every address this process connects to and every name it asks the system for, as the interpreter sees it."""
    global _watched
    _watched = seen = []
    try:
        yield seen
    finally:
        _watched = None


def elapsed(since: float) -> float:
    return time.monotonic() - since
