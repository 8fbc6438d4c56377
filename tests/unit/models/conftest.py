from __future__ import annotations

from pathlib import Path

import pytest
from mini_cases import WEIGHTS, weights_folder

from rushes.models.mini.adapter import MiniAdapter


@pytest.fixture(scope="session", params=WEIGHTS)
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_folder(request.param, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def adapter(weights: Path) -> MiniAdapter:
    return MiniAdapter(weights)
