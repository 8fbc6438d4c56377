"""What ships says what was trained: the exported networks agree with torch's, and the package's adapter runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mini_cases import asked

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it
pytest.importorskip("onnx")

from training.checkpoint import from_parts  # noqa: E402
from training.export import from_slices, write  # noqa: E402
from training.network import FULL as FULL_CODEC  # noqa: E402
from training.network import Decoder, Encoder, Transformer  # noqa: E402
from training.plan import FULL, REHEARSAL  # noqa: E402

from rushes.models.adapter import Inputs  # noqa: E402
from rushes.models.mini.adapter import MiniAdapter  # noqa: E402
from rushes.models.mini.windows import sequence  # noqa: E402

REQUEST = asked(
    prompt="a penguin walks in the snow",
    width=320,
    height=180,
    seconds=1.5,
    num_frames=36,
    steps=3,
    guidance_scale=2.0,
    generate_audio=True,
)


@pytest.fixture(scope="module")
def weights(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported")
    words = json.loads((parts / "transformer.json").read_text())["vocabulary"]
    with pytest.warns():  # the exporter is an old one
        write(from_slices(parts, words, REHEARSAL), target)
    return target


def test_the_exported_transformer_agrees_with_the_trained_one_on_every_kind_of_token(
    parts: Path, weights: Path
) -> None:
    adapter = MiniAdapter(weights)
    words = list(adapter.config.vocabulary)
    trained = from_parts(parts, "transformer", Transformer(**REHEARSAL.shape(words))).eval()
    rows, cols = REHEARSAL.grids["16:9"]
    position, kind = sequence(2, rows, cols, REHEARSAL.seconds_per_latent, 1, REHEARSAL.reference_cells, 2)
    rng = np.random.default_rng(1)
    inputs = {
        "latent": rng.normal(size=(1, kind.shape[1], REHEARSAL.codec.channels)).astype(np.float32),
        "sigma": rng.uniform(size=kind.shape).astype(np.float32),
        "position": position.copy(),
        "words": np.array([adapter.tokenizer.encode(REQUEST.prompt)]),
        "kind": kind.copy(),
    }
    shipped = adapter._transformer.run(**inputs)
    with torch.no_grad():
        true = trained(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()
    for one in (0, 1, 2):
        part = kind[0] == one
        assert np.corrcoef(shipped[0, part].ravel(), true[0, part].ravel())[0, 1] > 0.98, one


def test_the_package_makes_a_film_with_sound_about_a_reference_from_them(weights: Path) -> None:
    adapter = MiniAdapter(weights)
    picture = np.full((1, 50, 50, 3), 200, np.uint8)
    state = adapter.prepare(adapter.encode(REQUEST, Inputs(references=(picture,))), REQUEST.seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    chunks = list(adapter.decode(state))
    native = adapter.native(REQUEST)
    frames = np.concatenate([chunk.frames_THWC for chunk in chunks])
    assert frames.shape == (native.num_frames, native.height, native.width, 3)
    sound = np.concatenate([chunk.audio for chunk in chunks if chunk.audio is not None])
    assert len(sound) == round(native.num_frames / native.fps * 48_000)


def test_the_full_tier_ships_in_forty_megabytes() -> None:
    transformer = Transformer(**FULL.shape(FULL.vocabulary()))
    count = sum(
        p.numel() for module in (transformer, Encoder(FULL_CODEC), Decoder(FULL_CODEC)) for p in module.parameters()
    )
    assert 1.03 * count < 40e6  # a byte each, the words two, and what describes the networks
