"""A folder is looked at from outside: what could run code or is not whole is refused, with the file's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from folders import safetensors, wan_folder

from rushes.errors import WrongSetup
from rushes.models.wan import layout
from rushes.weights.checkpoint import changed, hashed, looked_at, revision_of
from rushes.weights.header import MOST_HEADER_BYTES, Damaged, tensors


def test_a_whole_folder_passes_and_names_all_its_files(tmp_path: Path) -> None:
    found = looked_at(wan_folder(tmp_path / "wan"))
    names = {path.relative_to(found.folder).as_posix() for path in found.files}
    assert found.parts["transformer"] == "WanTransformer3DModel"
    assert "transformer_2" not in found.parts
    assert {"model_index.json", "vae/model.safetensors", "tokenizer/tokenizer.json"} <= names
    assert layout.read(found.folder).named == "text"


def test_an_upsampler_is_a_part_though_no_index_names_it(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan")
    before = revision_of(hashed(folder, looked_at(folder).files))
    beside = folder / "latent_upsampler"
    beside.mkdir()
    (beside / "config.json").write_text('{"_class_name": "LTX2LatentUpsamplerModel"}')
    (beside / "model.safetensors").write_bytes(safetensors(weight=8))
    found = looked_at(folder)
    assert found.parts["latent_upsampler"] == "LTX2LatentUpsamplerModel"
    assert revision_of(hashed(folder, found.files)) != before
    (beside / "model.bin").write_bytes(b"\x80")
    with pytest.raises(WrongSetup, match="may hold code"):
        looked_at(folder)


def test_a_checkpoint_within_another_is_looked_at_and_hashed_with_it(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan")
    before = revision_of(hashed(folder, looked_at(folder).every_file))
    within = wan_folder(folder / "super_resolution")
    found = looked_at(folder)
    assert [nested.folder for nested in found.nested] == [within]
    assert len(found.every_file) == 2 * len(found.files)
    assert revision_of(hashed(folder, found.every_file)) != before
    (within / "vae" / "model.bin").write_bytes(b"\x80")
    with pytest.raises(WrongSetup, match="may hold code"):
        looked_at(folder)


def test_a_part_beside_the_others_that_is_another_models_is_left_aside(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan")
    beside = folder / "transformer_full"
    beside.mkdir()
    (beside / "config.json").write_text('{"_class_name": "LTX2VideoTransformer3DModel"}')
    (beside / "model.safetensors.index.json").write_text('{"weight_map": {"a": "not-fetched.safetensors"}}')
    assert "transformer_full" not in looked_at(folder, ("transformer_full",)).parts
    with pytest.raises(WrongSetup, match=r"not-fetched\.safetensors is missing"):
        looked_at(folder)


def index_of(folder: Path, **more: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "no model_index.json"),
    "an index that is no JSON": (lambda f: (f / "model_index.json").write_text("{"), "model_index.json is not JSON"),
    "an index that is a list": (lambda f: (f / "model_index.json").write_text("[]"), "is no JSON object"),
    "deep JSON": (lambda f: (f / "vae/config.json").write_text("[" * 100_000), "vae/config.json is not JSON"),
    "a part elsewhere": (lambda f: index_of(f, vae=["my_code", "Vae"]), "my_code.Vae for vae"),
    "a part up the tree": (lambda f: index_of(f, **{"../vae": ["diffusers", "Vae"]}), "a part '../vae'"),
    "a missing part": (lambda f: index_of(f, image_encoder=["transformers", "CLIPVisionModel"]), "image_encoder/ is"),
    "a pickle": (lambda f: (f / "vae/diffusion_pytorch_model.bin").write_bytes(b"\x80"), "may hold code"),
    "Python": (lambda f: (f / "transformer/model.py").write_text(""), "transformer/model.py is Python"),
    "auto_map": (
        lambda f: (f / "text_encoder/config.json").write_text('{"auto_map": {"AutoModel": "x.y"}}'),
        "asks for code of its own",
    ),
    "a cut file": (
        lambda f: (f / "vae/model.safetensors").write_bytes(safetensors(weight=8)[:-3]),
        "vae/model.safetensors is",
    ),
    "no header": (lambda f: (f / "vae/model.safetensors").write_bytes(b"abc"), "has no header"),
    "a shard that is not there": (
        lambda f: (f / "vae/model.safetensors.index.json").write_text('{"weight_map": {"a": "two.safetensors"}}'),
        "vae/two.safetensors is missing",
    ),
    "a shard elsewhere": (
        lambda f: (f / "vae/model.safetensors.index.json").write_text('{"weight_map": {"a": "../x.safetensors"}}'),
        "names '../x.safetensors'",
    ),
    "no weights": (lambda f: (f / "vae/model.safetensors").unlink(), "vae/ has none"),
    "no transformer": (lambda f: index_of(f, transformer=[None, None]), "names no transformer"),
    "another family": (lambda f: index_of(f, vae=["diffusers", "AutoencoderKL"]), "its vae is a AutoencoderKL"),
    "numbers of no kind": (
        lambda f: (f / "transformer/config.json").write_text('{"in_channels": 17, "patch_size": [1, 2, 2]}'),
        "in_channels 17",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_folder_is_refused_by_the_file_at_fault(tmp_path: Path, damage: str) -> None:
    folder = wan_folder(tmp_path / "wan")
    spoil, reason = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(WrongSetup) as refused:
        layout.read(folder)
    assert reason in refused.value.message


def test_another_kind_of_the_family_is_refused(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan", expand_timesteps=True)
    with pytest.raises(WrongSetup, match="this one starts from text or first frame"):
        layout.check(folder, "text")


def test_experts_without_the_second_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match="needs a transformer_2"):
        layout.read(wan_folder(tmp_path / "wan", boundary_ratio=0.9))


def header(said: object, rest: bytes = b"") -> bytes:
    written = json.dumps(said).encode()
    return len(written).to_bytes(8, "little") + written + rest


def about(dtype: object = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no header"),
        ((MOST_HEADER_BYTES + 1).to_bytes(8, "little") + bytes(64), "no header"),
        ((1 << 63).to_bytes(8, "little"), "no header"),
        (b"\x02\0\0\0\0\0\0\0{x", "not JSON"),
        (header([]), "no JSON object"),
        (header({"a": about(dtype="F7")}, bytes(4)), "in no way that is known"),
        (header({"a": about(dtype=[])}, bytes(4)), "in no way that is known"),
        (header({"a": about(shape=5)}, bytes(4)), "in no way that is known"),
        (header({"a": about(shape=[10**400, 0.5])}, bytes(4)), "in no way that is known"),
        (header({"a": about(shape=[-4])}, bytes(4)), "another length than its shape"),
        (header({"a": about(shape=[5])}, bytes(4)), "another length than its shape"),
        (header({"a": about(offsets=[-4, 0])}, bytes(4)), "another length than its shape"),
        (header({"a": about(), "b": about(offsets=[2, 6])}, bytes(6)), "overlap or leave a gap"),
        (header({"a": about(offsets=[1, 5])}, bytes(5)), "overlap or leave a gap"),
        (header({"a": about()}, bytes(5)), "a download cut short"),
    ],
)
def test_a_header_that_lies_is_found_without_reading_the_numbers(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(Damaged, match=reason):
        tensors(path)


def test_a_header_over_the_cap_is_refused_although_the_file_is_that_long(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write((MOST_HEADER_BYTES + 1).to_bytes(8, "little"))
        file.truncate(MOST_HEADER_BYTES + 9)
    with pytest.raises(Damaged, match="no header"):
        tensors(path)


def test_a_changed_file_is_named_and_lengths_alone_are_quick(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan")
    files = hashed(folder, looked_at(folder).files)
    weights = folder / "vae/model.safetensors"
    assert changed(folder, files, whole=True) is None
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert changed(folder, files, whole=False) is None
    assert "vae/model.safetensors has other bytes" in (changed(folder, files, whole=True) or "")
    weights.write_bytes(b"")
    assert "has 0 bytes instead of" in (changed(folder, files, whole=False) or "")
    weights.unlink()
    assert changed(folder, files, whole=False) == "vae/model.safetensors is not there"


def test_the_revision_is_of_the_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    one, other = wan_folder(tmp_path / "one"), wan_folder(tmp_path / "other")

    def revision(folder: Path) -> str:
        return revision_of(hashed(folder, looked_at(folder).files))

    assert revision(one) == revision(other)
    (other / "vae/model.safetensors").write_bytes(safetensors(weight=9))
    assert revision(one) != revision(other)


def test_the_same_weights_in_other_pieces_are_not_counted_twice(tmp_path: Path) -> None:
    """As LTX-2.5 is published: in four pieces that an index names, and in eight that none does."""
    folder = wan_folder(tmp_path / "wan")
    one = looked_at(folder).size_bytes
    part = folder / "transformer"
    (part / "model.safetensors").rename(part / "model-00001-of-00001.safetensors")
    (part / "model.safetensors.index.json").write_text('{"weight_map": {"weight": "model-00001-of-00001.safetensors"}}')
    (part / "model-00001-of-00002.safetensors").write_bytes(safetensors(weight=8))
    found = looked_at(folder)
    assert [path.name for path in found.files if path.parent == part and path.suffix == ".safetensors"] == [
        "model-00001-of-00001.safetensors"
    ]
    assert found.size_bytes == one + (part / "model.safetensors.index.json").stat().st_size
