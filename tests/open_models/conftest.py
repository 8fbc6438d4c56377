"""Tests of the extra `torch`: run by `make test` in an environment of their own, where OPEN_MODELS_REQUIRED is set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partialmethod
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from generations import Client
    from over_http import Make
    from served import Server

    from rushes.catalogue.card import Card

if find_spec("diffusers") is None and not os.environ.get("OPEN_MODELS_REQUIRED"):
    collect_ignore_glob = ["test_*.py"]  # another environment's tests; there a missing package is an error
else:
    import torch

    pytest.register_assert_rewrite("over_http", "step_by_step", "parts_in_memory")
    torch.set_num_threads(1)  # the models have a hundred thousand weights: threads would only wait for each other


@pytest.fixture(autouse=True)
def roomy_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether four gigabytes are free beside the tests is no matter of theirs, where they do not say what there is."""
    from rushes.engine import residency

    monkeypatch.setattr(residency, "host_bytes", lambda: 1 << 40)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_folder(kind, scheduler)`: a checkpoint on disk, built at its first use."""
    import tiny_ltx2
    import tiny_wan

    place = tmp_path_factory.mktemp("checkpoints")
    folders: dict[tuple[str, str], Path] = {}

    def folder(kind: str, scheduler: str = "unipc") -> Path:
        if (kind, scheduler) not in folders:
            at = place / f"{len(folders)}"
            if kind.removesuffix(tiny_ltx2.DISTILLED) in tiny_ltx2.KINDS:
                folders[kind, scheduler] = tiny_ltx2.built(kind, at)
            else:
                folders[kind, scheduler] = tiny_wan.built(kind, at, scheduler=scheduler)
        return folders[kind, scheduler]

    return folder


@pytest.fixture(scope="session")
def tiny_card(tiny_folder: Callable[..., Path]) -> Callable[..., Card]:
    """`tiny_card(kind, scheduler)`: the card of a published checkpoint of that kind, with the tiny one's folder."""
    from tiny_cards import published_card

    return lambda kind, scheduler="unipc": published_card(kind).in_folder(tiny_folder(kind, scheduler))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was traced while the test ran, and is run as traced: a compiler would take minutes."""
    compile_, graphs = torch.nn.Module.compile, list[Any]()

    def backend(graph: Any, given: Any) -> Any:
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(compile_, backend=backend))
    yield graphs
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """The Together client at work on the module's own `server`."""
    import generations

    client = generations.started("3.1.1", server.url, server.key)
    yield client
    client.end()


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, server: Server, client: Client) -> Make:
    """`made(**changes)`: the job and the file of the module's `ASKED`, so changed. None leaves a field out."""
    import over_http

    return lambda **changes: over_http.video(server, client, **{**request.module.ASKED, **changes})


@pytest.fixture(scope="module")
def plain(made: Make) -> bytes:
    """The file of `ASKED` as it is."""
    return made()[1]


@pytest.fixture(scope="module")
def refused(request: pytest.FixtureRequest, client: Client) -> Callable[..., tuple[int, str | None]]:
    """`refused(**changes)`: the status that this is answered with, and the field at fault."""
    import over_http

    return lambda **changes: over_http.refused(client, **{**request.module.ASKED, **changes})
