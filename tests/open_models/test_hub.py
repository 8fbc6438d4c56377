"""Models from the hub, as far as that goes without one: what was downloaded before is found, offline and pinned.

The downloading itself is in `test_hub_over_http.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from tiny_wan import TEXT

from rushes.errors import WrongSetup
from rushes.models.wan.layout import read
from rushes.weights.hub import WANTED, fetch_snapshot

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"


@pytest.fixture
def cache(tmp_path: Path, tiny_folder: Callable[..., Path]) -> Path:
    """A download cache as the hub's client leaves it: two commits of a model, the second one newest."""
    model = tmp_path / "models--studio--penguins"
    for commit in (OLD, NEW):
        snapshot = model / "snapshots" / commit
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        snapshot.symlink_to(tiny_folder(TEXT), target_is_directory=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(NEW)
    return tmp_path


def test_what_was_downloaded_is_found_without_asking_anybody(cache: Path) -> None:
    folder, commit = fetch_snapshot("studio/penguins", None, cache, offline=True)
    assert commit == NEW
    assert read(folder).named == "text"


def test_a_pinned_commit_is_that_commit(cache: Path) -> None:
    folder, commit = fetch_snapshot("studio/penguins", OLD, cache, offline=True)
    assert (folder.name, commit) == (OLD, OLD)


def test_what_is_not_there_is_said_in_our_words(cache: Path) -> None:
    with pytest.raises(WrongSetup, match="it is not on this disk"):
        fetch_snapshot("studio/walruses", None, cache, offline=True)
    with pytest.raises(WrongSetup, match="it is not on this disk"):
        fetch_snapshot("studio/penguins", "3" * 40, cache, offline=True)


def test_of_a_repository_that_serves_other_programs_too_the_parts_alone_are_fetched() -> None:
    parts = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.model",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00001-of-00008.safetensors",
        "README.md",  # it names the licence
    ]
    others = ["ltx-2-19b-dev.safetensors", "ltx-2-19b-dev-fp8.safetensors", "demo.py", "vae/model.bin"]
    assert list(filter_repo_objects([*parts, *others], allow_patterns=list(WANTED))) == parts
