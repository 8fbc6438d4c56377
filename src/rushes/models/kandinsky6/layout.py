"""Which Kandinsky 6 a folder holds, read from its configurations. Imports no tensor library.

The small and the large one are the same code. A distilled one is known by its scheduler, for which its transformer
says several predictions at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.models.kandinsky6.enlarger import DISTILLED_SCHEDULER, PLAIN_SCHEDULER, Enlarger, read_enlarger
from rushes.weights.checkpoint import Checkpoint, looked_at, refused

KIND = "Kandinsky 6"
DISTILLED = ", distilled"
"""What a layout ends with where the checkpoint was distilled to a few fixed steps without guidance."""

WORDS = "Qwen2_5_VLForConditionalGeneration"
CLASSES = {
    # The processor of pictures that is published around the tokenizer is not needed: no picture is read as words.
    "tokenizer": (
        "Qwen2_5_VLProcessor", "Qwen2Tokenizer", "Qwen2TokenizerFast", "TokenizersBackend", "PreTrainedTokenizerFast",
    ),
    "text_encoder": (WORDS,),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast", "TokenizersBackend", "PreTrainedTokenizerFast"),
    "text_encoder_2": ("CLIPTextModel",),
    "transformer": ("Kandinsky6Transformer3DModel",),
    "vae": ("AutoencoderKLHunyuanVideo",),
    "audio_vae": ("MMAudioVAE",),
    "vocoder": ("MMAudioVocoder",),
    "scheduler": (PLAIN_SCHEDULER, DISTILLED_SCHEDULER),
}  # fmt: skip
NETWORKS = ("text_encoder", "text_encoder_2", "transformer", "vae", "audio_vae", "vocoder")
SOUND_SHRUNK = 2  # hops of the spectrogram to a latent of sound; fixed in the library too


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of one checkpoint."""

    checkpoint: Checkpoint
    distilled: bool
    channels: int  # of a place of the film's latent
    time: int  # frames to a latent frame, after the first
    space: int  # pixels to a latent place, each way
    patch: int  # latent places to a token, each way
    sound_channels: int
    sound_hz: int  # samples a second, before they are brought to the film's
    sound_hop: int  # samples to a latent of sound
    enlarger: Enlarger | None = None  # what makes a film of it that is larger than one pass makes well

    @property
    def multiple(self) -> int:
        """Of pixels, that the sides of a frame have to be."""
        return self.space * self.patch


def read(folder: Path) -> Layout:
    """The layout of the checkpoint in `folder`. Errors  WrongSetup where it is none of this family."""
    found = looked_at(folder)
    for part, kinds in CLASSES.items():
        if found.parts.get(part) not in kinds:
            said = f"is a {found.parts[part]}" if part in found.parts else "is missing"
            raise refused(folder, f"a Kandinsky 6 checkpoint, its {part} as {kinds[0]}", f"{part} {said}")
    found.check_weights(NETWORKS)
    transformer, vae, audio_vae, scheduler = (
        found.config(part) for part in ("transformer", "vae", "audio_vae", "scheduler")
    )
    try:
        # The library's own defaults, for what a configuration leaves out.
        channels, sound_channels = int(vae.get("latent_channels", 16)), int(audio_vae.get("latent_channels", 40))
        patch = [int(side) for side in transformer["patch_size"]]
        layout = Layout(
            checkpoint=found,
            distilled=found.parts["scheduler"] == DISTILLED_SCHEDULER,
            channels=int(transformer["in_visual_dim"]),
            time=int(vae.get("temporal_compression_ratio", 4)),
            space=int(vae.get("spatial_compression_ratio", 8)),
            patch=patch[1],
            sound_channels=int(transformer["in_audio_dim"]),
            sound_hz=int(audio_vae.get("sample_rate", 44_100)),
            sound_hop=int(audio_vae.get("hop_length", 512)) * SOUND_SHRUNK,
            enlarger=read_enlarger(found, time=int(vae.get("temporal_compression_ratio", 4))),
        )
        at_once = int(scheduler.get("n_grid", 10)) if layout.distilled else 1
        fits = {
            "tokens of one latent frame": patch[0] == 1 and patch[1] == patch[2],
            "a transformer as wide as the latent": channels == layout.channels,
            "a transformer as wide as the sound": sound_channels == layout.sound_channels,
            "a transformer that takes a first frame": _takes_a_picture(transformer),
            "a transformer that says what its scheduler reads": (
                int(transformer["out_visual_dim"]) == at_once * layout.channels
                and int(transformer["out_audio_dim"]) == at_once * layout.sound_channels
            ),
            "a scheduler with a fixed schedule and no noise of its own": not (
                scheduler.get("use_dynamic_shifting") or scheduler.get("stochastic_sampling")
            ),
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise refused(folder, "a Kandinsky 6 checkpoint", f"its configuration lacks or garbles {error}") from None
    for wanted, met in fits.items():
        if not met:
            raise refused(folder, wanted, "its configuration says otherwise")
    return layout


def check(folder: Path, kind: str) -> None:
    """Refuse a folder that is none of the family, or distilled where `kind` is not. Errors  WrongSetup."""
    layout = read(folder)
    found = KIND + (DISTILLED if layout.distilled else "")
    if found != kind:
        raise refused(folder, f"a checkpoint of {kind}", f"this one is of {found}")


def _takes_a_picture(transformer: dict[str, Any]) -> bool:
    return bool(transformer["visual_cond"]) and int(transformer["visual_token_type_num_embeddings"]) >= 2
