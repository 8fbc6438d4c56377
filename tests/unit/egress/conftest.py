from __future__ import annotations

from collections.abc import Iterator

import pytest
from egress_servers import Ground, ground


@pytest.fixture(scope="session")
def all_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("egress")) as made:
        yield made


@pytest.fixture
def on(all_servers: Ground) -> Ground:
    """The servers and the policy that reaches the outer ones, with nothing asked yet."""
    return all_servers.fresh()
