"""Which arrangement of the Wan family a folder holds, read from its configurations. Imports no tensor library.

The arrangements differ by what the transformer is told besides the words: nothing ("text"), a time for each token
("text or first frame"), pictures in further channels ("first frame", with or without CLIP's view of it), or a second
stack of blocks that reads a whole film and a mask ("any frames"). Two experts share the work in some.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

SCHEDULERS = ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler")
CLASSES = {
    "tokenizer": ("T5TokenizerFast", "T5Tokenizer", "AutoTokenizer", "TokenizersBackend", "PreTrainedTokenizerFast"),
    "text_encoder": ("UMT5EncoderModel",),
    "transformer": ("WanTransformer3DModel", "WanVACETransformer3DModel"),
    "transformer_2": ("WanTransformer3DModel", "WanVACETransformer3DModel"),
    "vae": ("AutoencoderKLWan",),
    "scheduler": SCHEDULERS,
    "image_encoder": ("CLIPVisionModel", "CLIPVisionModelWithProjection"),
    "image_processor": ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"),
}
NEEDED = ("tokenizer", "text_encoder", "transformer", "vae", "scheduler")


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of one checkpoint. A token covers `patch` latent places; a latent covers `space` pixels each way."""

    checkpoint: Checkpoint
    kind: str  # "text", "text or first frame", "first frame", "first and last frame", "any frames"
    scheduler: str
    z_dim: int
    time: int  # frames to a latent frame, after the first
    space: int
    patch: int
    boundary_ratio: float | None  # below this share of the noise the second expert takes over
    frames_seen: int  # pictures that CLIP looks at; 0 without CLIP

    @property
    def named(self) -> str:
        """As cards name it."""
        return self.kind if self.boundary_ratio is None else f"{self.kind}, by two experts"

    @property
    def multiple(self) -> int:
        """What a native side must be a multiple of: whole tokens."""
        return self.space * self.patch

    @property
    def experts(self) -> tuple[str, ...]:
        return ("transformer", "transformer_2") if "transformer_2" in self.checkpoint.parts else ("transformer",)


def read(folder: Path) -> Layout:
    """The layout of the checkpoint in `folder`. Errors  WrongSetup where it is none of this family."""
    found = looked_at(folder)
    _check_parts(found)
    return described(found)


def described(found: Checkpoint) -> Layout:
    """The layout that the configurations of `found` describe. Errors  WrongSetup where it is none of this family."""
    folder = found.folder
    transformer, vae = found.config("transformer"), found.config("vae")
    try:
        patch_time, patch, patch_across = transformer["patch_size"]
        z_dim = int(vae["z_dim"])
        layout = Layout(
            checkpoint=found,
            kind=_kind(found, transformer, z_dim),
            scheduler=found.parts["scheduler"],
            z_dim=z_dim,
            time=int(vae.get("scale_factor_temporal") or 4),
            space=int(vae.get("scale_factor_spatial") or 8),
            patch=int(patch),
            boundary_ratio=_boundary(found),
            frames_seen=_frames_seen(transformer),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise refused(folder, "a checkpoint of the Wan family", f"its configuration lacks or garbles {error}") from None
    if (patch_time, patch) != (1, patch_across):
        raise refused(folder, "tokens of one latent frame, square", f"patch_size is {transformer['patch_size']}")
    return layout


def check(folder: Path, kind: str) -> None:
    """Refuse a folder that is no checkpoint of the Wan family, or another kind of one. Errors  WrongSetup."""
    layout = read(folder)
    if layout.named != kind:
        raise refused(folder, f"a Wan checkpoint that starts from {kind}", f"this one starts from {layout.named}")


def _check_parts(found: Checkpoint) -> None:
    for part in NEEDED:
        if part not in found.parts:
            raise refused(found.folder, "a checkpoint of the Wan family", f"model_index.json names no {part}")
    for part, kind in found.parts.items():
        if kind not in CLASSES.get(part, ()):
            raise refused(found.folder, "a checkpoint of the Wan family", f"its {part} is a {kind}")
    networks = ("text_encoder", "transformer", "transformer_2", "vae", "image_encoder")
    found.check_weights(part for part in networks if part in found.parts)


def _kind(found: Checkpoint, transformer: dict[str, Any], z_dim: int) -> str:
    if found.parts["transformer"] == "WanVACETransformer3DModel":
        return "any frames"
    if found.settings.get("expand_timesteps"):
        return "text or first frame"
    channels = int(transformer["in_channels"])
    if channels == z_dim:
        return "text"
    if channels != 2 * z_dim + 4:
        raise ValueError(f"in_channels {channels}")
    if _frames_seen(transformer) == 2:
        return "first and last frame"
    return "first frame" if _frames_seen(transformer) else "first or first and last frame"


def _frames_seen(transformer: dict[str, Any]) -> int:
    if transformer.get("image_dim") is None:
        return 0
    return 2 if transformer.get("pos_embed_seq_len") else 1


def _boundary(found: Checkpoint) -> float | None:
    ratio = found.settings.get("boundary_ratio")
    if ratio is None:
        return None
    if "transformer_2" not in found.parts:
        raise ValueError("boundary_ratio, which needs a transformer_2")
    return float(ratio)
