"""Opens the door, keeps the workers beside it, and closes both in order."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterable

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from rushes import __version__
from rushes.api.unreadable import EnvelopedHttp
from rushes.assemble import (
    build_catalogue,
    build_door,
    build_host,
    build_pruner,
    build_store,
    build_webhooks,
    first_key,
)
from rushes.catalogue.lookup import Offer
from rushes.errors import WrongSetup
from rushes.settings import Settings

BACKLOG = 1024  # connections that wait while the door is busy; a test suite opens hundreds at once
THREADS = 16  # beside those that take new videos in and look at them: each holds memory
LAST_REPLIES_S = 5  # a client still downloading is cut off after this; it can ask for the rest by range


def keep_open(settings: Settings) -> None:
    """Serve until told to stop. Returns when the door is closed and no worker is left.

    Errors  WrongSetup when the address cannot be had or the settings do not fit together.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    offers = build_catalogue(settings).offers()
    with listener(settings.door.host, settings.door.port) as listening:
        store = build_store(settings)
        door = build_door(settings, store)
        host = build_host(settings, store)
        pruner = build_pruner(settings, store)
        key = first_key(settings, store)
        port: int = listening.getsockname()[1]
        webhooks = build_webhooks(settings, store, root_url(settings, port))
        server = Server(
            # log_config None: the lines go where ours go. The header names a library and helps nobody.
            uvicorn.Config(
                door,
                http=EnvelopedHttp,
                log_config=None,
                access_log=False,  # its lines would hold the files' addresses, and with them their secrets
                server_header=False,
                timeout_graceful_shutdown=LAST_REPLIES_S,
            ),
            ready=lambda: print(banner(settings, port, key, offers), flush=True),
            closing=door.state.door.bus.close,
        )
        host.start()
        pruner.start()
        webhooks.start()
        close_with_terminal(server)
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn raises the signal again once it has closed in good order
            pass
        finally:
            pruner.stop()
            host.stop()
            webhooks.stop()  # last, so that what the workers' end still finished may be told
            store.close()


class Server(uvicorn.Server):
    """uvicorn, saying so when it listens and when it is about to close."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing()  # streams of events have no end of their own: they would cost the whole grace
        await super().shutdown(sockets)


def close_with_terminal(server: uvicorn.Server) -> None:
    """uvicorn hears Ctrl-C and SIGTERM alone; the end of the terminal is to close the door in the same good order."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, server.handle_exit)


def listener(host: str, port: int) -> socket.socket:
    """A socket that already listens, so that nobody can take the port between the question and the answer.

    Errors  WrongSetup, saying which of host and port is at fault.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):  # the latter for what is no name at all
        raise WrongSetup(field="host", given=host, allowed="an address of this machine, such as 127.0.0.1") from None
    try:
        # All addresses are those of both kinds: what the banner names is 127.0.0.1.
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise WrongSetup(
                field="port",
                given=f"{port}, which something already listens on, perhaps another rushes",
                allowed="a free port",
                hint=f"rushes serve --port {port + 1 if port < 65535 else 8000}",
            ) from None
        if error.errno == errno.EACCES:
            raise WrongSetup(field="port", given=port, allowed="1024 and above for a user who is not root") from None
        raise WrongSetup(field="host", given=host, allowed="an address of this machine, such as 127.0.0.1") from None


def banner(settings: Settings, port: int, key: str | None, offers: Iterable[Offer]) -> str:
    """What a person needs to make the first call; the key only when it was made just now."""
    root = root_url(settings, port)
    offers = tuple(offers)
    names = [f"{o.asked_id} (made by {o.card.id})" if o.hosted else o.asked_id for o in offers]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    lines = [
        f"Rushes {__version__} is ready on {root}",
        "",
        f"  together 3.x (Python)                         base_url={root}",
        f"  together 2.x (Python), together-ai (Node.js)  base_url={root}/v2",
        f"  together 1.5 (Python)                         base_url={root}",
        "",
        f"  models   {shown}",
        f"  data     {settings.storage.data}",
    ]
    # Not refused: an operator may map every id at once and wait for a model that takes the rest.
    lines += [f"  warning  every request will be refused: {o.unmakeable}" for o in offers if o.unmakeable]
    if not settings.jobs.workers:
        lines.append("  workers  none here: videos wait until a `rushes worker` takes them")
    if key is not None:
        lines += ["", f"  API key  {key}", "           shown this once; `rushes keys create` makes another"]
    elif settings.door.auth:
        lines += ["", "  API key  as shown at the first start; `rushes keys create` makes another"]
    else:
        lines += ["", "  API key  none needed; clients that insist on one may send any"]
    return "\n".join([*lines, "", "Ctrl-C ends it."])


def root_url(settings: Settings, port: int) -> str:
    """Where clients reach this server: as configured, or else by its own address."""
    return settings.door.public_url or f"http://{reachable(settings.door.host)}:{port}"


def reachable(host: str) -> str:
    """An address that a client on this machine can use, fit for a URL."""
    if host in ("0.0.0.0", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "127.0.0.1" if socket.has_dualstack_ipv6() else "[::1]"
    return f"[{host}]" if ":" in host else host
