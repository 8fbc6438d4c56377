"""The memory of a clip of this family, foretold from the headers of its files and the shape of its latents.

Parts by their headers. What is made while they compute by the table below: bytes to a token and width of the
transformer, to a pixel and width of the autoencoder, fitted to counted tensor bytes of random ones of several sizes.
Imports no tensor library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.ltx2.layout import UPSAMPLER, Layout
from rushes.models.parts import FP8, How, Needs

if TYPE_CHECKING:
    from rushes.models.kept import KeptNetworks

ERROR = 0.2
"""On a CPU the counted bytes are within this of the foretold (tests/open_models/test_ltx2_residency.py); not measured
on a GPU."""

PIECES = 1024  # of a prompt, padded

# Bytes to a token and width of one row of a pass, by the bytes of a number. Held tokens have a time of their own each.
FILM, HELD, SOUND = {4: 66.2, 2: 36.2}, {4: 76.0, 2: 38.0}, {4: 36.3, 2: 22.2}
FILM_IN_PIECES = {4: 46.2, 2: 27.2}  # the feed-forward's inner width is not there at once
IN_FP8 = 4.0  # the feed-forward's inner width is four times the other
WORDS = {4: 6.3, 2: 3.2}
# In the least films attention over the words makes the most.
FILM_READING, WORDS_READ = {4: 30.3, 2: 18.3}, {4: 20.8, 2: 18.1}
PASSES = 7  # latents of the last bits of a step: what each pass saw, and what comes of them
REMEMBERED = 4  # latents more where steps are reused: where the last computed one was and went, and the one before it

DECODED, ENCODED = 0.8, 0.8  # bytes to a pixel and width of the autoencoder; float32
LEAST_DECODED, LEAST_ENCODED = 36.0, 44.0  # bytes to a pixel of a narrow one, whose film is larger than its layers
TILE = 512
"""Pixels a side of a tile, for a decoder that works by tiles."""
SPECTRUM, WAVE = 8.4, 36.6  # bytes to a number and width, to a sample and width


def needs(
    layout: Layout,
    parts: KeptNetworks,
    how: How,
    request: ResolvedRequest,
    native: Native,
    *,
    rows: int,
    number_bytes: int,
    shrunk: int = 1,
) -> Needs:
    """What a clip needs, of which a pass reads `rows` prompts; what stands beside it is `shrunk` times smaller."""
    stage = partial(parts.stage, how)
    stages = [
        stage("words", "text_encoder", encoder_bytes(layout, rows, number_bytes)),
        stage("words", "connectors", connectors_bytes(layout, rows, number_bytes)),
    ]
    media = request.media
    if media.frame_images or media.frame_videos:
        frames = native.num_frames if media.frame_videos else 1
        stages.append(stage("pictures", "vae", encoding_bytes(layout, native, frames)))
    beside = media.reference_videos or media.source_video
    if beside:
        times = 2 * shrunk if native.how else shrunk
        small = replace(native, width=native.width // times, height=native.height // times)
        stages.append(stage("pictures", "vae", encoding_bytes(layout, small, native.num_frames)))
    if media.audio_inputs:
        stages.append(stage("pictures", "audio_vae", spectrum_bytes(layout, native)))
    shape = first = shape_of(request, native, layout, rows=rows)
    if beside:
        first = replace(first, tokens=first.tokens + shape.film // shrunk**2, held=True)
    if native.how:  # the stage before has a quarter of the tokens, and all prompts, and what stands beside
        first, shape = replace(first, tokens=first.tokens // 4), replace(shape, rows=1)
    made_bytes = max(step_bytes(layout, one, number_bytes, how) for one in (first, shape))
    working = (layout.transformer, UPSAMPLER) if native.how else (layout.transformer,)
    stages += [stage("steps", part, made_bytes) for part in working]
    if request.generate_audio:
        stages.append(stage("decoding", "audio_vae", spectrum_bytes(layout, native)))
        stages.append(stage("decoding", "vocoder", wave_bytes(layout, native)))
    stages.append(stage("decoding", "vae", decoding_bytes(layout, native, how)))
    return Needs(tuple(stages), ERROR)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a pass works on: `rows` prompts at once, tokens of the film with what stands behind it, and of sound.

    `film` are those of the film alone; `held` where what is given makes each token have a time of its own.
    """

    rows: int
    tokens: int
    sounds: int
    held: bool
    film: int


def shape_of(request: ResolvedRequest, native: Native, layout: Layout, *, rows: int) -> Shape:
    """The largest pass of a clip, without what stands beside it.

    What is given may stand in place of the film's own tokens: all of it is counted.
    """
    frame = (native.height // layout.space) * (native.width // layout.space)
    media = request.media
    behind = len(media.frame_images) + 2 * len(media.frame_videos)
    frames = 1 + (native.num_frames - 1) // layout.time
    sounds = round(native.num_frames / native.fps * layout.sounds_per_second)
    return Shape(rows, (frames + behind) * frame, sounds, bool(behind), frames * frame)


def step_bytes(layout: Layout, shape: Shape, number_bytes: int, how: How = How()) -> float:  # noqa: B008 - frozen
    """The most that a step makes, and the state before and after it."""
    config = layout.checkpoint.config("transformer")
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    heard = int(config["audio_num_attention_heads"]) * int(config["audio_attention_head_dim"])
    held = HELD[number_bytes] if shape.held else 0.0
    film = (FILM_IN_PIECES if how.pieces > 1 else FILM)[number_bytes]
    film += IN_FP8 / how.pieces if how.matrices == FP8 else 0
    looking = shape.tokens * (film + held) + PIECES * WORDS[number_bytes]
    reading = shape.tokens * (FILM_READING[number_bytes] + held) + PIECES * WORDS_READ[number_bytes]
    row = width * max(looking, reading) + heard * shape.sounds * SOUND[number_bytes]
    latents = 4 * (shape.tokens * layout.channels + shape.sounds * layout.sound_width)
    return shape.rows * (row + PASSES * latents) + (REMEMBERED * latents if how.reuse else 0)


def encoder_bytes(layout: Layout, rows: int, number_bytes: int) -> float:
    """What the text encoder makes: every layer's view of each of its pieces, beside the views of prompts before."""
    config = layout.checkpoint.config("text_encoder")["text_config"]
    views = _views_bytes(layout, number_bytes)
    queries = int(config["num_attention_heads"]) * int(config["head_dim"])
    inner = int(config["intermediate_size"])
    forward = PIECES * number_bytes * (3 * queries + 2.2 * inner) + (2 + 0.65 * number_bytes) * PIECES**2
    return max((rows + 1) * views + forward, 2 * rows * views)


def connectors_bytes(layout: Layout, rows: int, number_bytes: int) -> float:
    """What the connectors make of the views, which are there beside it."""
    config = layout.checkpoint.config("connectors")
    widths = sum(
        int(config[f"{kind}_connector_num_attention_heads"]) * int(config[f"{kind}_connector_attention_head_dim"])
        for kind in ("video", "audio")
    )
    return rows * (4 * _views_bytes(layout, number_bytes) + 16 * number_bytes * PIECES * widths)


def _views_bytes(layout: Layout, number_bytes: int) -> float:
    """Of one prompt: the words' embedding and every layer's, side by side."""
    config = layout.checkpoint.config("text_encoder")["text_config"]
    return float(number_bytes * PIECES * int(config["hidden_size"]) * (int(config["num_hidden_layers"]) + 1))


def encoding_bytes(layout: Layout, native: Native, num_frames: int) -> float:
    """What the autoencoder makes of so many frames at once."""
    width = min(map(int, layout.checkpoint.config("vae")["block_out_channels"]))
    return native.width * native.height * (num_frames + 1) * max(LEAST_ENCODED, ENCODED * width)


def decoding_bytes(layout: Layout, native: Native, how: How = How()) -> float:  # noqa: B008 - frozen
    """Of the whole film at once, as the decoder needs it, or of a tile of it; then the film waits on the host."""
    width = min(map(int, layout.checkpoint.config("vae")["decoder_block_out_channels"]))
    pixels = native.width * native.height
    if how.tiles:
        pixels = min(pixels, TILE**2)
    return pixels * native.num_frames * max(LEAST_DECODED, DECODED * width)


def spectrum_bytes(layout: Layout, native: Native) -> float:
    """What the sound's autoencoder makes."""
    hops = native.num_frames / native.fps * layout.sound_hz / layout.sound_hop
    config = layout.checkpoint.config("audio_vae")
    return hops * int(config["mel_bins"]) * 2 * SPECTRUM * int(config["base_channels"])


def wave_bytes(layout: Layout, native: Native) -> float:
    """What the vocoder makes."""
    config = layout.checkpoint.config("vocoder")
    name = "bwe_" if "bwe_hidden_channels" in config else ""
    width = int(config[f"{name}hidden_channels"]) / 2.0 ** len(config[f"{name}upsample_factors"])
    return native.num_frames / native.fps * layout.heard_hz * WAVE * width
