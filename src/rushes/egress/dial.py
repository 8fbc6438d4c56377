"""The guard itself: names are resolved once, every answer must pass, and the checked address is what is dialled.

It is httpcore's network backend, so that there is no way around it: whatever httpcore wants to connect to, it gets
here or not at all. Every wait shares one deadline, because a time limit per read lets a server that sends a byte a
second hold us for ever.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from rushes.egress.addresses import is_address, is_opened, may_be_dialled
from rushes.egress.policy import EgressPolicy, NotReached, Resolve
from rushes.egress.target import Target

RESOLVE_S = 5.0
WRITE_BYTES = 4096  # the time left is asked again for each piece
LEAST_DIAL_S = 2.0  # for an address that does not answer while others may


class Deadline:
    """A moment on the monotonic clock that all waits share."""

    def __init__(self, within_s: float) -> None:
        self._at = time.monotonic() + within_s

    def left_s(self) -> float:
        """Seconds left, always more than 0. Raises `NotReached` when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise NotReached("too slow")
        return left


class Dialler(httpcore.NetworkBackend):
    """Connects for one target under one deadline; to `proxy` (host, port) instead, where the operator named one."""

    def __init__(
        self, target: Target, policy: EgressPolicy, deadline: Deadline, proxy: tuple[str, int] | None = None
    ) -> None:
        self._target = target
        self._policy = policy
        self._deadline = deadline
        self._proxy = proxy
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        if self._proxy is not None:
            return self._dial_proxy(host, port)
        if (host, port) != (self._target.host, self._target.port):
            raise NotReached("not the host that was checked")
        return self._dial(self._checked(host, port), port)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> httpcore.NetworkStream:
        raise NotReached("a unix socket")

    def _dial_proxy(self, host: str, port: int) -> httpcore.NetworkStream:
        """The operator's own choice, so its address is not judged; where the target lies is the proxy's to judge."""
        if (host, port) != self._proxy:
            raise NotReached("not the proxy")
        if self._target.scheme == "http" and not self._policy.http:
            raise NotReached("http without TLS")
        return self._dial(self._resolved(host, port), port)

    def _checked(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`, if every one of them passes; one inner address among public ones is an attack."""
        addresses = self._resolved(host, port)
        if not all(may_be_dialled(one, self._policy.networks) for one in addresses):
            raise NotReached("an address that is not public")
        plain = self._target.scheme == "http" and not self._policy.http
        if plain and not all(is_opened(one, self._policy.networks) for one in addresses):
            raise NotReached("http without TLS")
        return addresses

    def _resolved(self, host: str, port: int) -> Sequence[str]:
        if is_address(host):
            return (host,)
        return resolved(self._policy.resolve, host, port, min(RESOLVE_S, self._deadline.left_s()))

    def _dial(self, addresses: Sequence[str], port: int) -> httpcore.NetworkStream:
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            total_s = self._deadline.left_s()
            try:
                # A numeric address: nothing is looked up a second time.
                stream = self._plain.connect_tcp(address, port, min(total_s, max(total_s / left, LEAST_DIAL_S)))
                return _Timed(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise NotReached("no connection")


def resolved(resolve: Resolve, host: str, port: int, within_s: float) -> Sequence[str]:
    """The answer of `resolve`, or `NotReached` after `within_s`.

    The system's resolver cannot be interrupted, so it runs in a thread that is left behind when it is late; its own
    time limits end it in half a minute.
    """
    answers: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, UnicodeError):
            answers.put(())

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        addresses = answers.get(timeout=within_s)
    except queue.Empty:
        raise NotReached("the name was not resolved in time") from None
    if not addresses:
        raise NotReached("no such name")
    return addresses


class _Timed(httpcore.NetworkStream):
    """A stream whose every wait ends with the deadline, whatever time limit its caller gives."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self._stream.write(buffer[start : start + WRITE_BYTES], self._deadline.left_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left_s())
        return _Timed(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
