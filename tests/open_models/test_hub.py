"""Models from the hub, as far as that goes without one: what was downloaded before is found, offline and pinned.

The downloading itself is in `test_hub_over_http.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from tiny_wan import TEXT

from rushes.errors import WrongSetup
from rushes.models.wan.layout import read
from rushes.weights.hub import SMALL, fetch_snapshot, weights_of

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


SHARD, OTHER_SHARD = (f"transformer/diffusion_pytorch_model-00001-of-0000{n}.safetensors" for n in (4, 8))


def test_of_a_repository_that_serves_other_programs_too_the_weights_of_its_parts_alone_are_fetched(
    tmp_path: Path,
) -> None:
    """As LTX-2.5 is published: its repository has 174 GB, of which 71 are read."""
    small = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.model",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        "README.md",  # it names the licence
        "latent_upsampler/config.json",
        "transformer_full/config.json",
    ]
    weights = [SHARD, "vae/diffusion_pytorch_model.safetensors", "latent_upsampler/diffusion_pytorch_model.safetensors"]
    others = [
        OTHER_SHARD,
        "transformer_full/diffusion_pytorch_model-00001-of-00004.safetensors",
        "prompt_enhancer/model.safetensors",
        "ltx-2-19b-dev.safetensors",
        "demo.py",
        "vae/model.bin",
    ]
    everything = [*small, *weights, *others]
    assert list(filter_repo_objects(everything, allow_patterns=[*SMALL])) == small
    index = {
        "_class_name": "LTX2Pipeline",
        "boundary_ratio": 0.5,
        "transformer": ["diffusers", "LTX2VideoTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLLTX2Video"],
        "prompt_enhancer": [None, None],
        "../elsewhere": ["diffusers", "AutoencoderKLLTX2Video"],
    }
    for name in small[-2:]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    (tmp_path / "transformer").mkdir()
    (tmp_path / small[0]).write_text(json.dumps(index))
    (tmp_path / small[4]).write_text(json.dumps({"weight_map": {"a": Path(SHARD).name, "b": Path(SHARD).name}}))
    assert (
        list(filter_repo_objects(everything, allow_patterns=[*weights_of(tmp_path, ("transformer_full",))])) == weights
    )
    both = [*filter_repo_objects(everything, allow_patterns=[*weights_of(tmp_path)])]
    assert [name for name in both if name not in weights] == [others[1]], "for the card of the full one"


@pytest.mark.parametrize("index", ["", "[]", "{", '{"transformer": "x"}'])
def test_without_an_index_that_can_be_read_no_weights_of_parts_are_fetched(tmp_path: Path, index: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    assert list(filter_repo_objects([SHARD, "vae/model.safetensors"], allow_patterns=[*weights_of(tmp_path)])) == []
