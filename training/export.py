"""Turn trained weights into what the package ships: three ONNX graphs, `mini.json`, and the revision on the card.

    python -m training.export AUTOENCODER_RUN TRANSFORMER_RUN src/rushes/models/mini/weights
    python -m training.export src/rushes/models/mini/weights TRANSFORMER_RUN src/rushes/models/mini/weights
    python -m training.export PARTS PARTS src/rushes/models/mini/weights

The second keeps the encoder and decoder that are exported already, for a transformer that learned on their latents.

The transformer's matrices are stored as int8, its arithmetic is dynamic int8. Convolutions compute in float32: the
decoder's are stored as float16, the encoder's as int8, so that all three travel in less than 40 MB. Over 48 chunks of
films the int8 encoder's latents are 0.4 % off, and the decoded picture is as good as before to 0.001 of its 26.49 dB.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from rushes.models.mini.config import PACKAGED_WEIGHTS
from training.autoencoder import Autoencoder
from training.checkpoint import averaged, from_parts
from training.enlarge import Painter
from training.network import KINDS, Encoder, Transformer, positions
from training.plan import PLANS, Plan
from training.world import FRAMES_PER_LATENT, POCKET, tier

OPSET = 18
LARGE = 4096  # values; a smaller constant is not worth a smaller type
CARD = Path(__file__).parents[1] / "src" / "rushes" / "catalogue" / "cards" / "mini.py"
NETWORKS = ("transformer.onnx", "encoder.onnx", "decoder.onnx")


class Pictures(nn.Module):
    """The painter with its last chore: (B, C, h, w) latents → (B, F, H, W, 3) uint8 frames."""

    def __init__(self, painter: nn.Module, frames: int = FRAMES_PER_LATENT) -> None:
        super().__init__()
        self.painter, self.frames = painter, frames

    def forward(self, latent: Tensor) -> Tensor:
        frames = self.painter(latent).unflatten(1, (self.frames, 3)).permute(0, 1, 3, 4, 2)
        return ((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


class Folding(nn.Module):
    """The encoder with its first chore: (B, F, H, W, 3) uint8 frames → (B, C, h, w) latents."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: Tensor) -> Tensor:
        return self.encoder(frames.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 127.5 - 1)


def export(
    model: nn.Module, inputs: dict[str, Tensor], output: str, axes: dict[str, dict[int, str]], path: Path
) -> None:
    torch.onnx.export(
        model, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=[output],
        dynamic_axes=axes, opset_version=OPSET, dynamo=False,
    )  # fmt: skip


def halve(path: Path) -> None:
    """Store large float32 constants as float16 with a cast behind them: half the file, the same float32 arithmetic."""
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        name, small = tensor.name, f"{tensor.name}_half"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), small))
        casts.append(helper.make_node("Cast", [small], [name], to=TensorProto.FLOAT))
    _put_first(casts, model)
    onnx.save(model, path)


def quarter(path: Path) -> None:
    """Store large float32 constants as int8 with a scale for each output channel: a quarter of the file."""
    model = onnx.load(path)
    widened, scales = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        name, small, scale = tensor.name, f"{tensor.name}_byte", f"{tensor.name}_scale"
        step = np.maximum(np.abs(values.reshape(len(values), -1)).max(1), 1e-9) / 127
        bytes_ = np.round(values / step.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(bytes_, small))
        scales.append(numpy_helper.from_array(step.astype(np.float32), scale))
        widened.append(helper.make_node("DequantizeLinear", [small, scale], [name], axis=0))
    model.graph.initializer.extend(scales)
    _put_first(widened, model)
    onnx.save(model, path)


def _put_first(nodes: list[onnx.NodeProto], model: onnx.ModelProto) -> None:
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes + others)


@dataclass(frozen=True)
class Trained:
    """What a run of either tier left. `encoder` and `pictures` are None where the exported ones stay."""

    plan: Plan
    transformer: Transformer
    words: list[str]
    spatial: int  # side in pixels of what `pictures` draws for a token
    encoder: Encoder | None
    pictures: Pictures | None

    def numbers(self) -> dict[str, object]:
        """What `mini.json` says, but for the revision."""
        plan, table = self.plan, tier(self.plan.tier)
        return {
            "channels": plan.codec.channels,
            "spatial": self.spatial,
            "frames_per_latent": plan.codec.frames,
            "fps": plan.fps,
            "max_words": plan.max_words,
            "window": plan.window,
            "overlap": plan.overlap,
            "shift": plan.shift,
            "sound_hops": plan.sound_hops,
            "reference_cells": plan.reference_cells,
            "grids": {name: list(grid) for name, grid in plan.grids.items()},
            "vocabulary": self.words,
            "subjects": list(POCKET if plan.tier == "pocket" else table.subjects),
            "scenes": list(table.scenes),
            "motions": list(table.motions),
        }


def pocket(autoencoder_run: Path, run: Path, words: list[str], plan: Plan) -> Trained:
    """The pocket tier, from its two runs, or one run and the folder of what was exported before."""
    transformer = averaged(run / "transformer.pt", Transformer(**plan.shape(words)))
    if (autoencoder_run / "mini.json").exists():
        spatial = json.loads((autoencoder_run / "mini.json").read_text())["spatial"]
        return Trained(plan, transformer, words, spatial, None, None)
    autoencoder = averaged(autoencoder_run / "autoencoder.pt", Autoencoder())
    larger = autoencoder_run / "enlarger.pt"  # without it the package's resampler does all the enlarging
    if larger.exists():
        pictures, spatial = Pictures(averaged(larger, Painter())), 2 * plan.codec.patch
    else:
        pictures, spatial = Pictures(autoencoder.decoder), plan.codec.patch
    return Trained(plan, transformer, words, spatial, autoencoder.encoder, pictures)


def from_slices(parts: Path, words: list[str], plan: Plan) -> Trained:
    """The full tier, from the parts that its slices left."""
    transformer = from_parts(parts, "transformer", Transformer(**plan.shape(words))).eval()
    autoencoder = from_parts(parts, "autoencoder", Autoencoder(plan.codec)).eval()
    pictures = Pictures(autoencoder.decoder, plan.codec.frames)
    return Trained(plan, transformer, words, plan.codec.patch, autoencoder.encoder, pictures)


def write(trained: Trained, target: Path) -> str:
    """All that the package ships, into `target`; returns the revision."""
    target.mkdir(parents=True, exist_ok=True)
    plan = trained.plan
    export_transformer(trained, target)
    if trained.encoder is not None and trained.pictures is not None:
        export_pictures(trained.encoder, trained.pictures, plan.grids["16:9"], target)
        # The larger tier's decoder is stored smaller, to travel in 40 MB as well.
        (quarter if plan.tier == "full" else halve)(target / "decoder.onnx")
        quarter(target / "encoder.onnx")
    digest = sha256()
    for name in NETWORKS:
        digest.update((target / name).read_bytes())
    revision = f"{plan.name}-{digest.hexdigest()[:12]}"
    (target / "mini.json").write_text(json.dumps({"revision": revision, **trained.numbers()}, indent=1) + "\n")
    names = sorted((*NETWORKS, "mini.json"))
    sums = [f"{sha256((target / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (target / "SHA256SUMS").write_text("".join(sums))
    return revision


def export_transformer(trained: Trained, target: Path) -> None:
    """`target`/transformer.onnx, whose matrices are int8."""
    plan, (rows, cols) = trained.plan, trained.plan.grids["16:9"]
    count = plan.window * rows * cols
    inputs = {
        "latent": torch.randn(1, count, plan.codec.channels),
        "sigma": torch.rand(1, count),
        "position": positions(plan.window, rows, cols)[None],
        "words": torch.randint(1, len(trained.words), (1, plan.max_words)),
        "kind": torch.randint(KINDS, (1, count)),
    }
    tokens = {name: {0: "B", 1: "N"} for name in ("latent", "sigma", "position", "kind", "clean")}
    full = target / "transformer.fp32.onnx"
    with torch.no_grad():
        export(trained.transformer, inputs, "clean", {**tokens, "words": {0: "B"}}, full)
    quantize_dynamic(
        full,
        target / "transformer.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul"],
    )
    full.unlink()
    halve(target / "transformer.onnx")


def export_pictures(encoder: Encoder, pictures: Pictures, grid: tuple[int, int], target: Path) -> None:
    """`target`/decoder.onnx and encoder.onnx, still in float32."""
    codec, (rows, cols) = encoder.codec, grid
    with torch.no_grad():
        sample = {"latent": torch.randn(1, codec.channels, rows, cols)}
        decoder_axes = {"latent": {0: "B", 2: "h", 3: "w"}, "frames": {0: "B", 2: "H", 3: "W"}}
        export(pictures, sample, "frames", decoder_axes, target / "decoder.onnx")
        film = torch.randint(256, (1, codec.frames, rows * codec.patch, cols * codec.patch, 3), dtype=torch.uint8)
        encoder_axes = {"frames": {0: "B", 2: "H", 3: "W"}, "latent": {0: "B", 2: "h", 3: "w"}}
        export(Folding(encoder), {"frames": film}, "latent", encoder_axes, target / "encoder.onnx")


def tell_card(revision: str) -> None:
    """Write on the card, which speaks for the packaged weights, their `revision`."""
    text, found = re.subn(r'(?m)^    revision=".*",$', f'    revision="{revision}",', CARD.read_text("utf-8"))
    assert found == 1, f"{CARD.name} has no line for the revision"
    CARD.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    about = json.loads((arguments.run / "transformer.json").read_text())
    words, plan = about["vocabulary"], PLANS[about["plan"]]
    if plan.tier == "pocket":
        trained = pocket(arguments.autoencoder, arguments.run, words, plan)
    else:
        trained = from_slices(arguments.run, words, plan)
    revision = write(trained, arguments.target)
    for path in sorted(arguments.target.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    if arguments.target.resolve() == PACKAGED_WEIGHTS.resolve():
        tell_card(revision)
        print(f"revision {revision}, written on the card too; now make docs")


if __name__ == "__main__":
    main()
