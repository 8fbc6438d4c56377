"""Which generation of the LTX-2 family a folder holds, read from its configurations. Imports no tensor library.

The generations differ in how words reach the transformer and in what it is told of the other stream; the parts and what
they compress are the same. A distilled checkpoint cannot be told from a full one by its files: its card says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

FIRST, SECOND, THIRD = "LTX-2", "LTX-2.3", "LTX-2.5"
DISTILLED = ", distilled"
"""What a card's layout ends with where the checkpoint was distilled to a few fixed steps without guidance."""

GEMMA_3, GEMMA_4 = "Gemma3ForConditionalGeneration", "Gemma4UnifiedForConditionalGeneration"
CLASSES = {
    "tokenizer": ("GemmaTokenizerFast", "GemmaTokenizer", "TokenizersBackend", "PreTrainedTokenizerFast"),
    "text_encoder": (GEMMA_3, GEMMA_4),
    "connectors": ("LTX2TextConnectors",),
    "transformer": ("LTX2VideoTransformer3DModel",),
    "vae": ("AutoencoderKLLTX2Video",),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
    "vocoder": ("LTX2Vocoder", "LTX2VocoderWithBWE"),
    "scheduler": ("FlowMatchEulerDiscreteScheduler",),
}
TRANSFORMER, FULL = "transformer", "transformer_full"
"""Where the transformer is; of the third generation both are published in one folder, and the first is distilled."""
UPSAMPLER, UPSAMPLER_CLASS = "latent_upsampler", "LTX2LatentUpsamplerModel"
"""The network that makes latents twice as large, each way. A checkpoint may do without: it then makes smaller films."""
WITH_WEIGHTS = ("text_encoder", "connectors", "transformer", "vae", "audio_vae", "vocoder")
GUIDED_BLOCK = {FIRST: 29, SECOND: 28, THIRD: 28}
"""As the makers recommend, counted from 0; of the third they say nothing, and it is the library's own."""
PICTURE_CRF = {FIRST: 33, SECOND: 33, THIRD: 18}
"""How much the single pictures were compressed that each was trained on, as H.264's rate factor."""

SOUND_SHRUNK = 4  # hops of the spectrogram to a latent of sound, and bins likewise; fixed in the library too


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of one checkpoint. A token is one place of the video latent, or one latent of sound, of all bins."""

    checkpoint: Checkpoint
    kind: str
    transformer: str  # the part that makes the film
    channels: int  # of a place of the video latent
    time: int  # frames to a latent frame, after the first
    space: int  # pixels to a place, each way
    sound_channels: int
    sound_bins: int  # of a latent of sound
    sound_hz: int  # samples a second that the sound's autoencoder listens to
    sound_hop: int  # samples to a hop of the spectrogram
    heard_hz: int  # samples a second that the vocoder makes
    guided_block: int | None  # whose attention is left out for guidance; None where the network has no way to
    enlarges: bool  # whether it has a network that makes latents twice as large

    @property
    def first(self) -> bool:
        return self.kind == FIRST

    @property
    def picture_crf(self) -> int:
        return PICTURE_CRF[self.kind]

    @property
    def sound_width(self) -> int:
        return self.sound_channels * self.sound_bins

    @property
    def sounds_per_second(self) -> float:
        return self.sound_hz / self.sound_hop / SOUND_SHRUNK


def read(folder: Path, *, full: bool = False) -> Layout:
    """The layout of the checkpoint in `folder`, of which the `full` transformer is wanted or any.

    Errors  WrongSetup where it is none of this family.
    """
    found = looked_at(folder, () if full else (FULL,))
    _check_parts(found)
    name = FULL if full and FULL in found.parts else TRANSFORMER
    transformer, vae, audio_vae = (found.config(part) for part in (name, "vae", "audio_vae"))
    try:
        layout = Layout(
            checkpoint=found,
            kind=_kind(transformer),
            transformer=name,
            channels=int(vae["latent_channels"]),
            time=int(vae.get("temporal_compression_ratio") or _shrunk(vae, "patch_size_t")),
            space=int(vae.get("spatial_compression_ratio") or _shrunk(vae, "patch_size")),
            sound_channels=int(audio_vae["latent_channels"]),
            sound_bins=int(audio_vae["mel_bins"]) // SOUND_SHRUNK,
            sound_hz=int(audio_vae["sample_rate"]),
            sound_hop=int(audio_vae["mel_hop_length"]),
            heard_hz=int(found.config("vocoder")["output_sampling_rate"]),
            guided_block=_guided_block(transformer),
            enlarges=UPSAMPLER in found.parts,
        )
        fits = {
            "tokens of one place": (transformer["patch_size"], transformer["patch_size_t"]) == (1, 1),
            "a transformer as wide as the latent": int(transformer["in_channels"]) == layout.channels,
            "a transformer as wide as the sound": int(transformer["audio_in_channels"]) == layout.sound_width,
            "a decoder that adds no noise": not vae.get("timestep_conditioning"),
            f"a text encoder of {layout.kind}": found.parts["text_encoder"] == _reader(layout.kind),
            f"a {UPSAMPLER} that doubles both sides of this latent": _doubles(found, layout),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise refused(folder, "an LTX-2 checkpoint", f"its configuration lacks or garbles {error}") from None
    for wanted, met in fits.items():
        if not met:
            raise refused(folder, wanted, "its configuration says otherwise")
    return layout


def check(folder: Path, kind: str) -> None:
    """Refuse a folder that is no checkpoint of the family, or of another generation. Errors  WrongSetup."""
    layout, wanted = read(folder, full=not kind.endswith(DISTILLED)), kind.removesuffix(DISTILLED)
    if layout.kind != wanted:
        raise refused(folder, f"a checkpoint of {wanted}", f"this one is of {layout.kind}")
    if kind == THIRD and layout.transformer != FULL:
        raise refused(
            folder, f"the full transformer in {FULL}/", f"{TRANSFORMER}/ holds the distilled one, and is alone"
        )


def _check_parts(found: Checkpoint) -> None:
    for part, classes in CLASSES.items():
        if part not in found.parts:
            raise refused(found.folder, "an LTX-2 checkpoint", f"model_index.json names no {part}")
        if found.parts[part] not in classes:
            raise refused(found.folder, "an LTX-2 checkpoint", f"its {part} is a {found.parts[part]}")
    for part, kind in ((UPSAMPLER, UPSAMPLER_CLASS), (FULL, CLASSES[TRANSFORMER][0])):
        if found.parts.get(part, kind) != kind:
            raise refused(found.folder, "an LTX-2 checkpoint", f"its {part} is a {found.parts[part]}")
    found.check_weights(part for part in (*WITH_WEIGHTS, UPSAMPLER, FULL) if part in found.parts)


def _kind(transformer: dict[str, Any]) -> str:
    if not transformer.get("cross_attn_mod"):
        return FIRST
    return SECOND if transformer.get("ff_bias", True) else THIRD


def _reader(kind: str) -> str:
    """The class of its text encoder: the layers that the connectors read are that one's."""
    return GEMMA_4 if kind == THIRD else GEMMA_3


def _doubles(found: Checkpoint, layout: Layout) -> bool:
    """Whether the upsampler fits, where there is one: others of its class stretch time, or enlarge by half."""
    if not layout.enlarges:
        return True
    said = found.config(UPSAMPLER)
    # The library's own defaults, for what a configuration leaves out.
    scale = said.get("rational_spatial_scale", 2.0) if said.get("use_rational_resampler", True) else 2.0
    stretches, widens = bool(said.get("temporal_upsample", False)), bool(said.get("spatial_upsample", True))
    return widens and not stretches and scale == 2.0 and said.get("in_channels", 128) == layout.channels


def _guided_block(transformer: dict[str, Any]) -> int | None:
    """Without `perturbed_attn` the network takes the wish and ignores it: the pass would change nothing."""
    return GUIDED_BLOCK[_kind(transformer)] if transformer.get("perturbed_attn") else None


def _shrunk(vae: dict[str, Any], patch: str) -> int:
    halved = sum(map(bool, vae["spatio_temporal_scaling"]))
    return int(vae[patch]) << halved
