"""A LoRA file is held against the model it is for by its header alone: every key has its layer, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_files import LAYERS, RANK, pairs, wan, written

from rushes.errors import WrongSetup
from rushes.models.wan.lora import networks, published
from rushes.weights.lora import SHRUNK, SLOWED, Change, Layers, read, shrunk_by

Q, OUT = "blocks.0.attn1.to_q", "blocks.0.attn1.to_out.0"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layers]:
    return networks(wan(tmp_path_factory.mktemp("one") / "wan"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layers]:
    return networks(wan(tmp_path_factory.mktemp("two") / "wan", experts=2))


def test_the_layers_are_those_with_a_weight_of_two_dimensions(one: dict[str, Layers], two: dict[str, Layers]) -> None:
    assert {name: dict(layers.shapes) for name, layers in one.items()} == {"transformer": LAYERS}
    assert list(two) == ["transformer", "transformer_2"]


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("transformer.{}.lora_A.weight", "transformer.{}.lora_B.weight"),
        ("base_model.model.{}.lora_A.default.weight", "base_model.model.{}.lora_B.default.weight"),
        ("diffusion_model.{}.lora_down.weight", "diffusion_model.{}.lora_up.weight"),
        ("{}.lora.down.weight", "{}.lora.up.weight"),
    ],
)
@pytest.mark.parametrize("own", [False, True], ids=["diffusers' names", "the makers' names"])
def test_every_spelling_of_a_key_finds_its_layer(
    one: dict[str, Layers], tmp_path: Path, down: str, up: str, own: bool
) -> None:
    tensors: dict[str, tuple[int, ...]] = {}
    for layer, (out, into) in LAYERS.items():
        name = published(layer) if own else layer
        tensors |= {down.format(name): (RANK, into), up.format(name): (out, RANK)}
    (changes,) = read(written(tmp_path / "a.safetensors", tensors), one).values()
    assert {change.layer: change.rank for change in changes} == dict.fromkeys(LAYERS, RANK)


def test_dots_that_became_underscores_are_read(one: dict[str, Layers], tmp_path: Path) -> None:
    tensors = {
        "lora_unet_blocks_0_self_attn_o.lora_down.weight": (RANK, 8),
        "lora_unet_blocks_0_self_attn_o.lora_up.weight": (8, RANK),
        "lora_unet_blocks_0_self_attn_o.alpha": (),
    }
    (change,) = read(written(tmp_path / "a.safetensors", tensors), one)["transformer"]
    down, up, alpha = tensors
    assert change == Change(OUT, RANK, down, up, None, alpha)


def test_an_alpha_is_a_key_or_what_diffusers_noted_or_the_rank(one: dict[str, Layers], tmp_path: Path) -> None:
    def alphas(more: dict[str, tuple[int, ...]], **notes: Any) -> dict[str, Any]:
        file = written(tmp_path / "a.safetensors", pairs(Q, OUT) | more, **notes)
        return {change.layer: change.alpha for change in read(file, one)["transformer"]}

    assert alphas({}) == {Q: None, OUT: None}
    noted = {"transformer.lora_alpha": 8, "transformer.alpha_pattern": {"to_q": 16}}
    assert alphas({}, lora_adapter_metadata=noted) == {Q: 16.0, OUT: 8.0}
    key = f"transformer.{Q}.alpha"
    assert alphas({key: (1,)}, lora_adapter_metadata=noted)[Q] == key
    root = {"transformer.lora_alpha": 8, "transformer.use_rslora": True}
    assert alphas({}, lora_adapter_metadata=root)[Q] == pytest.approx(8 * RANK**0.5)


def test_without_the_second_experts_name_a_file_is_for_both(two: dict[str, Layers], tmp_path: Path) -> None:
    changes = read(written(tmp_path / "a.safetensors", pairs(Q)), two)
    assert changes["transformer"] == changes["transformer_2"] != ()
    both = pairs(Q) | pairs(OUT, down="transformer_2.{}.lora_A.weight", up="transformer_2.{}.lora_B.weight")
    split = read(written(tmp_path / "b.safetensors", both), two)
    assert [change.layer for changes in split.values() for change in changes] == [Q, OUT]


Refused = tuple[dict[str, tuple[int, ...]], dict[str, str], dict[str, Any], str]
REFUSED: dict[str, Refused] = {
    "a layer that is not there": (
        pairs(Q) | {"transformer.blocks.9.attn1.to_q.lora_A.weight": (2, 8)},
        {},
        {},
        "1 of 3 keys are not: transformer.blocks.9.attn1.to_q.lora_A.weight",
    ),
    "many of them": (
        pairs(Q) | {f"text_encoder.{n}.lora_A.weight": (2, 8) for n in range(9)},
        {},
        {},
        "9 of 11 keys are not: text_encoder.0.lora_A.weight, text_encoder.1.lora_A.weight, "
        "text_encoder.2.lora_A.weight and 6 more",
    ),
    "a norm": (pairs(Q) | {"diffusion_model.blocks.0.norm_q.diff": (8,)}, {}, {}, "norm_q.diff"),
    "a magnitude": (pairs(Q) | {f"transformer.{Q}.lora_magnitude_vector": (8,)}, {}, {}, "lora_magnitude_vector"),
    "a convolution": (
        pairs(Q) | {"patch_embedding.lora_A.weight": (2, 4, 1, 2, 2)},
        {},
        {},
        "patch_embedding.lora_A.weight",
    ),
    "A without B": ({f"transformer.{Q}.lora_A.weight": (2, 8)}, {}, {}, "has no B beside it"),
    "an alpha alone": ({f"transformer.{Q}.alpha": ()}, {}, {}, "has no A beside it"),
    "another width": (
        {f"{Q}.lora_A.weight": (2, 9), f"{Q}.lora_B.weight": (8, 2)},
        {},
        {},
        f"{Q}.lora_A.weight is 2 by 9, and {Q} here 8 by 8, with rank 2",
    ),
    "two ranks": ({f"{Q}.lora_A.weight": (2, 8), f"{Q}.lora_B.weight": (8, 3)}, {}, {}, "lora_B.weight is 8 by 3"),
    "no rank": ({f"{Q}.lora_A.weight": (0, 8), f"{Q}.lora_B.weight": (8, 0)}, {}, {}, "is 0 by 8"),
    "an alpha of two": (pairs(Q) | {f"{Q}.alpha": (2,)}, {}, {}, "alpha is 2"),
    "bytes": (pairs(Q), {f"transformer.{Q}.lora_A.weight": "U8"}, {}, "lora_A.weight holds U8"),
    "one layer twice": (
        pairs(Q) | {f"diffusion_model.{Q}.lora_down.weight": (2, 8)},
        {},
        {},
        f"transformer.{Q}.lora_A.weight and diffusion_model.{Q}.lora_down.weight are of the same",
    ),
    "nothing": ({}, {}, {}, "holds no tensor"),
    "notes that are a list": (pairs(Q), {}, {"lora_adapter_metadata": []}, "lora_adapter_metadata is none"),
    "DoRA": (pairs(Q), {}, {"lora_adapter_metadata": {"transformer.use_dora": True}}, "use_dora"),
    "an alpha that is a word": (pairs(Q), {}, {"lora_adapter_metadata": {"transformer.lora_alpha": "8"}}, "another"),
    "a pattern": (
        pairs(Q),
        {},
        {"lora_adapter_metadata": {"transformer.alpha_pattern": {".*to_q": 8}}},
        "alpha_pattern otherwise",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_place_in_the_model_is_refused_by_its_key(
    one: dict[str, Layers], tmp_path: Path, case: str
) -> None:
    tensors, dtypes, notes, reason = REFUSED[case]
    with pytest.raises(WrongSetup) as refusal:
        read(written(tmp_path / "a.safetensors", tensors, dtypes, **notes), one)
    assert reason in str(refusal.value.hint)


def test_what_is_for_the_second_expert_is_refused_by_a_model_of_one(one: dict[str, Layers], tmp_path: Path) -> None:
    tensors = pairs(Q) | pairs(Q, down="transformer_2.{}.lora_A.weight", up="transformer_2.{}.lora_B.weight")
    with pytest.raises(WrongSetup, match="2 of 4 keys are not: transformer_2"):
        read(written(tmp_path / "a.safetensors", tensors), one)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pt", b"\x80", "may hold code"),
        ("a.safetensors", b"\xff" * 64, "has no header"),
        ("a.safetensors", (1 << 40).to_bytes(8, "little"), "has no header"),
        ("a.safetensors", b"\x02\0\0\0\0\0\0\0[]", "no JSON object"),
    ],
)
def test_what_is_no_safetensors_file_is_not_opened(
    one: dict[str, Layers], tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WrongSetup, match=reason):
        read(tmp_path / name, one)


def test_a_file_cut_short_is_refused(one: dict[str, Layers], tmp_path: Path) -> None:
    file = written(tmp_path / "a.safetensors", pairs(Q))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WrongSetup, match="a download cut short"):
        read(file, one)


@pytest.mark.parametrize(
    ("notes", "expected"),
    [({}, None), ({SHRUNK: 1}, 1), ({SHRUNK: 2}, 2), ({SLOWED: 1}, 1), ({SHRUNK: 4, SLOWED: 1, "model_version": 2}, 4)],
)
def test_how_much_smaller_its_clip_was_is_what_the_file_notes(
    tmp_path: Path, notes: dict[str, int], expected: int | None
) -> None:
    assert shrunk_by(written(tmp_path / "a.safetensors", pairs(Q), **notes)) == expected


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ({SHRUNK: 0}, f"{SHRUNK} of 1 to 8"),
        ({SHRUNK: 9}, f"{SHRUNK} of 1 to 8"),
        ({SHRUNK: 1.5}, "its notes say 1.5"),
        ({SHRUNK: "two"}, "its notes say"),
        ({SLOWED: 4}, rf"{SLOWED} of 1\. .*its notes say 4"),
    ],
)
def test_a_clip_that_nothing_here_gives_that_way_is_refused(
    tmp_path: Path, notes: dict[str, object], reason: str
) -> None:
    with pytest.raises(WrongSetup, match=reason):
        shrunk_by(written(tmp_path / "a.safetensors", pairs(Q), **notes))


def test_more_digits_than_python_reads_are_refused_as_any_other_number(tmp_path: Path) -> None:
    file, header = tmp_path / "a.safetensors", json.dumps({"__metadata__": {SHRUNK: "9" * 5000}}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(WrongSetup, match=r"its notes say 9{40}$"):
        shrunk_by(file)
