"""`rushes bench`: models of published sizes by chance, and a race in which ours and the stock pipeline make a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from rushes.cli import race as races
from rushes.cli.bench import section
from rushes.errors import InvalidValue
from rushes.models.blocks import chance as blocks_chance
from rushes.models.ltx2 import chance as ltx2_chance
from rushes.models.wan import chance

WAYS = ["| diffusers", *(f"| rushes, {way}" for way in ("exact", "high", "fast", "fp8", "int8", "tiles"))]
TOLD = {"width": 64, "height": 64, "seconds": 1.0, "steps": 2}


@pytest.mark.parametrize(
    ("size", "billions"), [("wan2.1-t2v-1.3b", 1.42), ("wan2.1-t2v-14b", 14.3), ("wan2.2-ti2v-5b", 5.0)]
)
def test_a_model_by_chance_is_as_large_as_the_published_one(size: str, billions: float) -> None:
    transformer, vae, text_encoder = chance.SIZES[size]
    with torch.device("meta"):
        networks = WanTransformer3DModel.from_config(transformer), UMT5EncoderModel(UMT5Config(**text_encoder))
        AutoencoderKLWan.from_config(vae)
    counts = [sum(parameter.numel() for parameter in network.parameters()) / 1e9 for network in networks]
    assert counts == pytest.approx([billions, 5.68], rel=0.02)


def test_both_make_the_same_film_and_the_section_says_what_each_took(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer, vae, text_encoder = chance.SIZES["mid"]
    small = {**transformer, "num_attention_heads": 1, "ffn_dim": 64, "num_layers": 1}, {**vae, "base_dim": 3}
    monkeypatch.setitem(chance.SIZES, "mid", (*small, text_encoder))
    told: list[str] = []
    written = section("mid", None, None, TOLD, 1, False, told.append)
    rows = [line for line in written.splitlines() if line.startswith(("| diffusers", "| rushes"))]
    assert [row.split(" (")[0] for row in rows] == WAYS
    assert all("bit for bit" in row for row in rows[:2])
    assert "(near)" in rows[2], "guidance in one pass"
    assert [row.split(" | ")[7] for row in rows[:3]] == ["4", "4", "2"], "passes"
    assert "(lossy)" in rows[4] and " dB, SSIM " in rows[4]
    assert "weights by chance (mid)" in written
    assert len(told) == 7


def test_a_film_with_sound_is_raced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = {"width": 32, "sound": 16, "heads": 2, "text": 16, "channels": 8, "decoder": 8}
    monkeypatch.setitem(ltx2_chance.SIZES, "small", {**ltx2_chance.SIZES["small"], **narrow})
    written = section("small", None, None, TOLD, 1, False, lambda said: None, "ltx2")
    rows = {line.split(" (")[0]: line for line in written.splitlines() if line.startswith(("| diffusers", "| rushes"))}
    assert list(rows) == WAYS
    assert all("bit for bit" in rows[name] for name in list(rows)[:3])
    assert {row.split(" | ")[7] for row in rows.values()} == {"6"}, "three passes a step, in all of two"
    assert all(" dB, SSIM " in rows[f"| rushes, {way}"] for way in ("fp8", "int8"))
    assert written.splitlines()[2].startswith("ltx-2.3 from weights by chance (small)")


def test_a_hunyuan_video_is_raced_too_and_is_near_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = {"heads": 2, "head": 16, "axes": (4, 6, 6), "layers": 1, "text": 16, "glyphs": 32, "channels": 4}
    monkeypatch.setitem(blocks_chance.SIZES, "small", {**narrow, "mlp_ratio": 2.0, "widths": (16, 16, 16, 16)})
    written = section("small", None, None, {**TOLD, "width": 128}, 1, False, lambda said: None, "hunyuan")
    rows = {line.split(" (")[0]: line for line in written.splitlines() if line.startswith(("| diffusers", "| rushes"))}
    assert list(rows) == WAYS[:3], "of the ways to be lossy it has none"
    cells = {name: row.split(" | ") for name, row in rows.items()}
    assert {row[7] for row in cells.values()} == {"4"}, "passes"
    assert cells["| rushes, exact"][-1] == "bit for bit |"
    assert cells["| diffusers"][-1] == "latents differ |" or float(cells["| diffusers"][-1].split(" dB")[0]) > 60


@pytest.mark.parametrize("asked", ["wan2.1-t2v-1.3b", "mid"])
def test_a_size_of_another_family_is_refused(asked: str) -> None:
    with pytest.raises(InvalidValue, match="small"):
        section(asked, None, None, TOLD, 1, False, print, "ltx2")


def test_a_size_that_nobody_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"random: .*wan2.1-t2v-14b"):
        section("wan9", None, None, TOLD, 1, False, print)


def test_likeness_is_measured_from_equal_to_unlike() -> None:
    film = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), dtype=np.uint8)
    near = np.clip(film.astype(int) + 2, 0, 255).astype(np.uint8)
    assert races.psnr_db(film, film) == float("inf")
    assert races.ssim(film, film) == pytest.approx(1.0)
    assert races.psnr_db(np.zeros_like(film), np.full_like(film, 255)) == pytest.approx(0.0)
    assert races.psnr_db(near, film) == pytest.approx(10 * np.log10(255**2 / 4), abs=0.1)
    assert races.ssim(255 - film, film) < 0 < races.ssim(near, film) < 1
