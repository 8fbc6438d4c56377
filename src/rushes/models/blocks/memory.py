"""The memory of a clip made block by block, foretold from the headers of its files and the shape of its latents.

Parts by their headers. What is made while they compute by the table below: bytes to a number that a layer holds, to a
token or a pixel, fitted to counted tensor bytes of random networks of several sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.parts import How, Needs
from rushes.models.waiting import WaitingNetworks
from rushes.models.whole import memory as parts
from rushes.models.whole.shape import Grid

ERROR = 0.1
"""On a CPU the counted bytes are within this of the foretold (tests/open_models/test_blocks_memory.py); not measured on
a GPU."""

# All by the bytes of a number. To a pixel of a film that is decoded at once, as numbers and on its way to frames.
FILM = {4: 36.2, 2: 24.2}
OVERLAP = 1.5  # films that all tiles together are
FILM_GATHERED = 36.2  # decoded latent frame by latent frame

HUNYUAN_TEXT = 1000 + 256  # pieces of words and of letters at most: few, beside a film
HUNYUAN_TOKEN, HUNYUAN_PIECE = 12.2, 7.0  # numbers to a token of the film and of the words, and width
HUNYUAN_READ = 1000 + 108  # pieces that the text encoder reads, its instructions among them
HUNYUAN_DECODED = {4: 24.0, 2: 14.13}  # to a pixel and width

LTX_READ = 128
LTX_STEP = {4: 56.7, 2: 32.6}  # to a token and width
LTX_DECODED = {4: 17.2, 2: 12.35}  # to a place of the last layer and width

COSMOS_TEXT = 512  # pieces of a prompt and what is said of size and length: few, beside a film
COSMOS_LATENT = {4: 12.0, 2: 10.0}  # to a number of the latent
COSMOS_DECODED, COSMOS_ENCODED = {4: 86.0, 2: 43.0}, {4: 45.0, 2: 22.4}  # to a pixel and width, of one latent frame
COSMOS_FRAME = 65.0  # to a pixel of it besides
SOUNDS_A_SECOND = 25

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """`places` of a latent frame and how many of those; `pixels` of a frame and how many of those; `sounds` beside."""

    frames: int
    places: int
    pixels: int
    num_frames: int
    sounds: int
    number_bytes: int

    @property
    def film(self) -> int:
        return self.num_frames * self.pixels


@dataclass(frozen=True, slots=True)
class Family:
    """Bytes that are made: by the text encoder, in a step, and by the autoencoder, of so many pixels at once."""

    words: Callable[[Config, int], float]
    step: Callable[[Config, Clip], float]
    decoding: Callable[[Config, Clip, int], float]
    encoding: Callable[[Config, Clip], float] = lambda config, clip: 0.0  # where its card takes no picture


def needs(
    pipeline: str, networks: WaitingNetworks, how: How, request: ResolvedRequest, native: Native, grid: Grid, space: int
) -> Needs:
    """What a clip of `pipeline` needs. `space` are the pixels to a latent place, each way."""
    family = FAMILIES[pipeline]
    clip = Clip(
        frames=1 + (native.num_frames - 1) // grid.time,
        places=(native.width // space) * (native.height // space),
        pixels=native.width * native.height,
        num_frames=native.num_frames,
        sounds=round(native.num_frames / native.fps * SOUNDS_A_SECOND) if request.generate_audio else 0,
        number_bytes=networks.kinds["transformer"].dtype.itemsize,
    )

    def made(stage: str, part: str) -> float:
        config = networks.config(part)
        if stage == "steps":
            return family.step(config, clip)
        if part == "text_encoder":
            return family.words(config, clip.number_bytes)
        if part != "vae":
            return 0.0
        if stage == "pictures":
            return family.encoding(config, clip)
        side = getattr(networks.outline(part), "tile_sample_min_height", None) if how.tiles else None
        return family.decoding(config, clip, clip.pixels if side is None else min(clip.pixels, side**2))

    return parts.needs(networks, how, pictures=bool(request.media.frame_images), made=made, error=ERROR)


def hunyuan_words(config: Config, n: int) -> float:
    """Every layer's view of the pieces is kept until the end."""
    width, layers, inner = (int(config[name]) for name in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    attending = n * width * (layers + 9.4) + (n + 1) * HUNYUAN_READ
    forward = n * (width * (layers + 6.5) + 3 * inner) + HUNYUAN_READ
    return float(HUNYUAN_READ * max(attending, forward))


def hunyuan_step(config: Config, clip: Clip) -> float:
    n, head = clip.number_bytes, int(config["attention_head_dim"])
    tokens, width = _tokens(config, clip), int(config["num_attention_heads"]) * head
    each = HUNYUAN_TOKEN * tokens + HUNYUAN_PIECE * HUNYUAN_TEXT
    return float(n * width * each + 8 * head * tokens)


def hunyuan_decoding(config: Config, clip: Clip, at_once: int) -> float:
    n = clip.number_bytes
    each = HUNYUAN_DECODED[n] * min(config["block_out_channels"])
    if at_once < clip.pixels:
        return _tiled(clip, at_once, each)
    pairs = (clip.frames * clip.places) ** 2  # its middle attends through a mask too
    return float(max(clip.film * max(each, FILM[n]), n * pairs))


def ltx_words(config: Config, n: int) -> float:
    return t5_bytes(config, LTX_READ, n)


def ltx_step(config: Config, clip: Clip) -> float:
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    return _tokens(config, clip) * width * LTX_STEP[clip.number_bytes]


def ltx_decoding(config: Config, clip: Clip, at_once: int) -> float:
    n = clip.number_bytes
    each = LTX_DECODED[n] * min(config["decoder_block_out_channels"]) / int(config["patch_size"]) ** 2
    if at_once < clip.pixels:
        return _tiled(clip, at_once, each)
    return float(clip.film * max(each, FILM[n]))


def cosmos_step(config: Config, clip: Clip) -> float:
    n, width = clip.number_bytes, int(config["hidden_size"])
    tokens = clip.frames * clip.places // int(config["latent_patch_size"]) ** 2 + clip.sounds
    each = n * (3 * int(config["intermediate_size"]) + 8 * width + 2 * int(config["head_dim"]))
    return tokens * (each + int(config["patch_latent_dim"]) * COSMOS_LATENT[n]) + COSMOS_TEXT * 7.3 * n * width


def cosmos_encoding(config: Config, clip: Clip) -> float:
    """Of a film that begins with the picture and stands still."""
    layers = COSMOS_ENCODED[clip.number_bytes] * int(config["base_dim"]) + COSMOS_FRAME
    return clip.pixels * (6.0 * clip.number_bytes * clip.num_frames + layers)


def cosmos_decoding(config: Config, clip: Clip, at_once: int) -> float:
    layers = COSMOS_DECODED[clip.number_bytes] * int(config.get("decoder_base_dim") or config["base_dim"])
    return max(FILM_GATHERED * clip.film, at_once * (layers + COSMOS_FRAME) + 3.0 * clip.number_bytes * clip.film)


def t5_bytes(config: Config, pieces: int, number_bytes: int) -> float:
    """What a T5 encoder makes of a prompt of so many pieces, padding among them."""
    scores = 2.1 * number_bytes * int(config["num_heads"]) * pieces**2
    return max(scores, 56.0 * pieces**2) + 6.0 * number_bytes * pieces * int(config["d_ff"])


def _tiled(clip: Clip, at_once: int, each: float) -> float:
    """The last of the tiles beside those before, which overlap; or all of them as one film."""
    n = clip.number_bytes
    return max(clip.num_frames * at_once * each + OVERLAP * 3 * n * clip.film, clip.film * FILM[n])


def _tokens(config: Config, clip: Clip) -> int:
    return clip.frames * clip.places // (int(config["patch_size"]) ** 2 * int(config["patch_size_t"]))


FAMILIES = {
    "HunyuanVideo15Pipeline": Family(hunyuan_words, hunyuan_step, hunyuan_decoding),
    "LTXPipeline": Family(ltx_words, ltx_step, ltx_decoding),
    "Cosmos3OmniPipeline": Family(lambda config, n: 0.0, cosmos_step, cosmos_decoding, cosmos_encoding),
}
