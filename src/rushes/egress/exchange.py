"""One HTTP exchange with one checked target: request out, status and headers in, body on demand."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpcore

from rushes import __version__
from rushes.egress.dial import Deadline, Dialler
from rushes.egress.policy import EgressPolicy, NotReached
from rushes.egress.target import DEFAULT_PORTS, Target

USER_AGENT = f"rushes/{__version__}"


@contextmanager
def exchange(
    method: str,
    target: Target,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    policy: EgressPolicy,
    deadline: Deadline,
) -> Iterator[httpcore.Response]:
    """Send one request and give its response, with the body not yet read. The connection ends with the `with` block.

    Nothing comes from the environment: no proxy, no .netrc, no cookie.
    Raises `NotReached`, also while the body is read.
    """
    context = trusted(policy.ca_file)
    proxy = _proxy(policy.proxy, context)
    dialler = Dialler(target, policy, deadline, _address_of(proxy))
    sent = {
        "Host": target.origin.partition("://")[2],  # httpcore's own forgets the brackets of IPv6
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",  # nothing is unpacked here, so nothing can be a bomb
        "Connection": "close",
        **headers,
    }
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=context, proxy=proxy, network_backend=dialler, retries=0) as pool,
            pool.stream(method, url, headers=list(sent.items()), content=body) as response,
        ):
            yield response
    except httpcore.TimeoutException:
        raise NotReached("too slow") from None
    except httpcore.ProtocolError:
        raise NotReached("no readable HTTP") from None  # the library's words quote what came, which is not ours to keep
    except (httpcore.NetworkError, httpcore.ProxyError) as error:
        raise NotReached(f"{type(error).__name__}: {error}") from None


@lru_cache(maxsize=4)  # reading all the public certificates takes 20 ms
def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """The public certificate authorities, the same on every machine, and those of `ca_file`."""
    context = httpcore.default_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _proxy(address: str | None, context: ssl.SSLContext) -> httpcore.Proxy | None:
    if address is None:
        return None
    parts = urlsplit(address)
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    url = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=port, target="/")
    return httpcore.Proxy(url, auth=auth, ssl_context=context if parts.scheme == "https" else None)


def _address_of(proxy: httpcore.Proxy | None) -> tuple[str, int] | None:
    if proxy is None:
        return None
    return proxy.url.host.decode("ascii"), proxy.url.port or DEFAULT_PORTS[proxy.url.scheme.decode("ascii")]
