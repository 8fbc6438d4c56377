"""Real parts for tests of the door: videos on a real database, behind a real socket; one of each per test file."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rushes.jobs.store import JobStore
    from rushes.storage.local import LocalStorage
    from rushes.videos import Videos


# An example may take longer than the fifth of a second that hypothesis allows, and making one, too, on a busy machine.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

# A door in a thread of this process answers late while the machine is busy; five seconds are httpx's own patience.
for wait in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, wait, 60.0)

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Under nohup. What tests start would be deaf to the end of its terminal too; a handler is not handed down.
    signal.signal(signal.SIGHUP, lambda number, frame: None)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """`app` behind uvicorn on a free port of this machine; yields its address."""
    import uvicorn

    from rushes.api.unreadable import EnvelopedHttp

    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", http=EnvelopedHttp))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=60)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobStore]:
    from rushes.jobs.store import JobStore

    store = JobStore(f"sqlite:///{tmp_path_factory.mktemp('store') / 'jobs.db'}")
    yield store
    store.close()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    from rushes.storage.local import LocalStorage

    return LocalStorage(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def videos(store: JobStore, storage: LocalStorage) -> Videos:
    from rushes.catalogue.cards.mini import CARD
    from rushes.catalogue.lookup import Catalogue
    from rushes.videos import Videos

    return Videos(Catalogue([CARD]), store, storage)


@pytest.fixture(scope="module")
def open_door(videos: Videos) -> Iterator[Callable[..., str]]:
    """`open_door(keys=None, …)` serves `videos` with these settings of the door and gives its address."""
    from rushes.api.app import create_app

    with ExitStack() as stack:

        def open_one(**settings: Any) -> str:
            return stack.enter_context(
                listening(create_app(settings.pop("videos", videos), **{"keys": None, **settings}))
            )

        yield open_one
