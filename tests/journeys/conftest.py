"""One server and a client of each generation for all journeys that stop neither, and workers for those that do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import generations
import pytest
from attended import Attended
from generations import GENERATIONS, Client
from served import QUICK, TINY, Server, serving
from tiny_mini import write_tiny_weights


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The tiny model under its own name, under the embedded one's, and behind every hosted id."""
    folder = tmp_path_factory.mktemp("server")
    with serving(TINY, folder, "--serve-as", "all=test/tiny", RUSHES_MAX_BODY_BYTES="200000") as server:
        yield server


@pytest.fixture(scope="session")
def client_named(server: Server) -> Iterator[Callable[[str], Client]]:
    """`client_named("3.1.1")`: started at its first use."""
    clients: dict[str, Client] = {}

    def named(name: str) -> Client:
        if name not in clients:
            clients[name] = generations.started(name, server.url, server.key)
        return clients[name]

    yield named
    for client in clients.values():
        client.end()


@pytest.fixture(params=GENERATIONS)
def client(request: pytest.FixtureRequest, client_named: Callable[[str], Client]) -> Client:
    """Each generation in turn."""
    return client_named(request.param)


@pytest.fixture
def newest(client_named: Callable[[str], Client]) -> Client:
    return client_named("3.1.1")


@pytest.fixture
def oldest(client_named: Callable[[str], Client]) -> Client:
    """The one that validates every reply."""
    return client_named("1.5.35")


@pytest.fixture
def long_job(server: Server) -> Iterator[str]:
    """A video that the only worker is busy with for as long as the test lasts."""
    id = server.create(**{**QUICK, "prompt": "slow 0.5", "steps": 50})
    server.until(id, lambda seen: seen["step"] >= 1)
    yield id
    server.cancel(id)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model in miniature, at random."""
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> str:
    """The hash of the file that comes out when nobody dies."""
    attended = Attended(tmp_path_factory.mktemp("undisturbed") / "data", weights)
    with attended.hosted():
        done = attended.ended(attended.ask())
    assert done.artifact is not None
    attended.insist_on_no_leftovers()
    attended.close()
    return done.artifact.sha256


@pytest.fixture
def attended(tmp_path: Path, weights: Path) -> Iterator[Attended]:
    made = Attended(tmp_path / "data", weights)
    yield made
    made.close()
