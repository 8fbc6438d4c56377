"""What is not an attack works, and the operator's word counts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from egress_servers import FILE, INSIDE, OUTSIDE, Ground

from rushes.egress.fetch import Fetched, fetch
from rushes.egress.policy import EgressPolicy
from rushes.errors import MediaFetchFailed


def got(on: Ground, url: str, policy: EgressPolicy | None = None, max_bytes: int = 100_000) -> Fetched:
    return fetch(on.url(url), max_bytes=max_bytes, deadline_s=20, policy=policy or on.policy)


def refused(on: Ground, url: str, policy: EgressPolicy | None = None, max_bytes: int = 100_000) -> None:
    with pytest.raises(MediaFetchFailed):
        got(on, url, policy, max_bytes)


@pytest.mark.parametrize(
    "url",
    [
        "http://public.test:{port}/cat.png",
        "HTTP://Public.TEST.:{port}/cat.png?a=1&b=%20#part",
        "http://127.0.0.1:{port}/cat.png",
        "http://[::ffff:127.0.0.1]:{port}/cat.png",
        "http://public.test:{port}/übung/cat.png?straße",
        "http://public.test:{port}/chunked",
        "http://public.test:{port}/until-closed",
        "http://public.test:{port}/identity",
        "http://public.test:{port}/moved",
        "http://public.test:{port}/moved-thrice",
        "https://public.test:{tls}/cat.png",
        "https://public.test:{tls}/moved",
    ],
)
def test_a_file_comes_as_it_is(url: str, on: Ground) -> None:
    assert got(on, url).data == FILE


def test_the_type_comes_without_its_parameters(on: Ground) -> None:
    assert got(on, "http://public.test:{port}/cat.png").content_type == "image/png"
    assert got(on, "http://public.test:{port}/untyped").content_type == ""


def test_the_limit_on_bytes_is_exact(on: Ground) -> None:
    for path in ("cat.png", "chunked", "until-closed"):
        assert got(on, f"http://public.test:{{port}}/{path}", max_bytes=len(FILE)).data == FILE
        refused(on, f"http://public.test:{{port}}/{path}", max_bytes=len(FILE) - 1)


def test_nothing_of_this_machine_goes_along(on: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy of the environment, no password of a .netrc, no cookie of an earlier hop."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{INSIDE}:{on.public.port}")
    (tmp_path / ".netrc").write_text("default login someone password canary\n", "utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    heard = got(on, "http://public.test:{port}/moved-with-cookie").data.decode()
    names = {line.partition(":")[0].lower() for line in heard.split("\r\n")[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert f"Host: public.test:{on.public.port}\r\n" in heard
    assert "Accept-Encoding: identity\r\n" in heard
    assert on.inner.requests == []


def test_the_operator_s_list_of_hosts_is_the_only_one(on: Ground) -> None:
    named = on.fresh(hosts=("public.test", "*.example.org")).policy
    assert got(on, "http://public.test:{port}/cat.png", named).data == FILE
    refused(on, "http://other.test:{port}/cat.png", named)
    refused(on, "http://127.0.0.1:{port}/cat.png", named)
    assert named.allows_host("a.b.example.org")
    assert not named.allows_host("example.org.evil.test")
    assert not named.allows_host("notexample.org")


def test_plain_http_stays_inside_the_networks_that_the_operator_named(on: Ground) -> None:
    """127.0.0.2 plays a public host here: it is let through by its own network, then by `http` alone."""
    closed = on.fresh(networks=()).policy
    refused(on, "http://public.test:{port}/cat.png", closed)
    opened = on.fresh(networks=(ip_network(f"{OUTSIDE}/32"),)).policy
    assert got(on, "http://public.test:{port}/cat.png", opened).data == FILE


def test_a_server_that_uses_no_addresses_asks_for_none(on: Ground) -> None:
    refused(on, "http://public.test:{port}/cat.png", on.fresh(enabled=False).policy)
    assert on.names.asked == []


def test_only_known_authorities_are_believed(on: Ground) -> None:
    refused(on, "https://public.test:{tls}/cat.png", on.fresh(ca_file=None).policy)


@contextmanager
def proxy(to: tuple[str, int]) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that tunnels or forwards every request to `to`; yields its address and what it heard."""
    heard: list[bytes] = []
    listener = socket.create_server((OUTSIDE, 0))

    def carry(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, socket.create_connection(to) as server:
                head = client.recv(65536)
                heard.append(head)
                if head.startswith(b"CONNECT"):
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(head)
                back = threading.Thread(target=carry, args=(server, client), daemon=True)
                back.start()
                carry(client, server)
                back.join(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://user:pass@{OUTSIDE}:{listener.getsockname()[1]}", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_a_forced_proxy_gets_every_request_and_resolves_the_names(on: Ground) -> None:
    with proxy((OUTSIDE, on.secure.port)) as (address, heard):
        forced = on.fresh(proxy=address)
        assert got(on, "https://public.test:{tls}/cat.png", forced.policy).data == FILE
        assert heard[0].startswith(f"CONNECT public.test:{on.secure.port} HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in heard[0]
        assert forced.names.asked == []
        refused(on, "http://public.test:{port}/cat.png", forced.policy)  # its network cannot be known here
        refused(on, "https://127.0.0.2:{tls}/cat.png", forced.policy)  # an address that needs no resolving is judged
        assert len(heard) == 1
    with proxy((OUTSIDE, on.public.port)) as (address, heard):
        forced = on.fresh(proxy=address, http=True)
        assert got(on, "http://public.test:{port}/cat.png", forced.policy).data == FILE
        assert heard[0].startswith(f"GET http://public.test:{on.public.port}/cat.png HTTP/1.1\r\n".encode())
