from __future__ import annotations

from pathlib import Path

import pytest
from slice_cases import slice_of


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of both networks after a few steps each, made on two machines that share nothing but them."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("slices")
    slice_of("autoencoder", folder / "first", folder / "parts", "--steps", "3")
    slice_of("transformer", folder / "second", folder / "parts", "--start", str(folder / "parts"), "--steps", "2")
    return folder / "parts"
