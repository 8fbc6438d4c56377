"""The memory of a clip of this family, foretold from the headers of its files and the shape of its latents.

Parts by their headers. What is made while they compute by the table below: bytes to a token and width of the
transformer, to a pixel and width of the autoencoder, fitted to counted tensor bytes of random ones of several sizes.
Imports no tensor library.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rushes.contract.request import ResolvedRequest
from rushes.models.kandinsky6 import enlarging_memory
from rushes.models.kandinsky6.layout import Layout
from rushes.models.kandinsky6.state import Numbers
from rushes.models.parts import How, Needs

if TYPE_CHECKING:
    from rushes.models.kept import KeptNetworks

ERROR = 0.2
"""On a CPU the counted bytes are within this of the foretold (tests/open_models/test_kandinsky6_residency.py); not
measured on a GPU."""

PIECES, TEMPLATE = 1024, 129  # of a prompt, padded, and of what stands around it
LATENTS = 8  # of film and sound: before and after a step, what the passes predict, what they read
REMEMBERED = 4  # and where steps are reused: where the last computed one was and went, and the one before it

# Of one pass, by the bytes of a number: to a token and width, to a token and inner width, to a piece and width.
TOKEN, INNER, PIECE = 7.7, 2.0, 2.75
SOUND = 7.0  # to a latent of sound and its width
WORDS_ALONE = {4: 4.0, 2: 6.0}  # to a piece and width, in the least films
PAIRS = {4: 3.0, 2: 2.2}  # of the text encoder: bytes to a pair of pieces

DECODED, ENCODED = 9.2, 7.5  # numbers to a pixel, frame and width of the autoencoder
STRETCH = 4  # latent frames that are decoded at once, beside the first of them
WAVE, SPECTRUM = 40.2, 168.0  # bytes to a sample and width, to a latent of sound and width; float32
TILE = 256  # pixels a side


def needs(
    layout: Layout,
    parts: KeptNetworks,
    enlarging: KeptNetworks | None,
    how: How,
    request: ResolvedRequest,
    numbers: Numbers,
    *,
    number_bytes: int,
) -> Needs:
    """What a clip of these `numbers` needs; `enlarging` are the parts of its second stage, where it has one."""
    stage = partial(parts.stage, how)
    stages = [stage("words", "text_encoder", words_bytes(layout, number_bytes)), stage("words", "text_encoder_2", 0)]
    if request.media.frame_images:
        stages.append(stage("pictures", "vae", encoding_bytes(layout, numbers, number_bytes)))
    pictured = bool(request.media.frame_images)
    stages.append(stage("steps", "transformer", step_bytes(layout, numbers, number_bytes, pictured=pictured)))
    enlarger = layout.enlarger
    if enlarging is not None and enlarger is not None:
        # Between the two the film is decoded, while what encodes it again waits.
        stages.append(stage("steps", "vae", decoding_bytes(layout, numbers, number_bytes, tiles=how.tiles)))
        stages += enlarging_memory.stages(layout, enlarger, enlarging, how, numbers, number_bytes)
    if numbers.sounds:
        stages.append(stage("decoding", "audio_vae", spectrum_bytes(layout, numbers)))
        stages.append(stage("decoding", "vocoder", wave_bytes(layout, numbers)))
    if enlarging is None:
        stages.append(stage("decoding", "vae", decoding_bytes(layout, numbers, number_bytes, tiles=how.tiles)))
    return Needs(tuple(stages), ERROR)


def step_bytes(layout: Layout, numbers: Numbers, number_bytes: int, *, pictured: bool) -> float:
    """The most that a step makes, and the state before and after it. A first frame stands behind the film."""
    config = layout.checkpoint.config("transformer")
    width, inner = int(config["model_dim"]), int(config["ff_dim"])
    heard = int(config.get("model_dim_a") or width)
    places = (numbers.frames + pictured) * numbers.rows * numbers.cols
    tokens = places // layout.patch**2
    looking = number_bytes * (tokens * (TOKEN * width + INNER * inner) + PIECES * PIECE * width)
    reading = PIECES * (WORDS_ALONE[number_bytes] * width * number_bytes + INNER * number_bytes * inner)
    listening = SOUND * number_bytes * numbers.sounds * heard
    kept = LATENTS + (REMEMBERED if numbers.reuse else 0)
    latents = kept * 4 * (places * layout.channels + numbers.sounds * layout.sound_channels)
    return max(looking + listening, reading) + latents


def words_bytes(layout: Layout, number_bytes: int) -> float:
    """What the text encoder makes: every layer's view of each piece, the mask of who sees whom."""
    config = layout.checkpoint.config("text_encoder")
    said = config.get("text_config") or config  # older versions write its numbers beside those of its eyes
    width, inner, layers = (int(said[name]) for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    pieces = PIECES + TEMPLATE
    views = number_bytes * (width * (1.5 * layers + 6) + 1.25 * inner)
    return pieces * (PAIRS[number_bytes] * pieces + views)


def encoding_bytes(layout: Layout, numbers: Numbers, number_bytes: int) -> float:
    return ENCODED * number_bytes * _pixels(layout, numbers) * _decoder_width(layout)


def decoding_bytes(layout: Layout, numbers: Numbers, number_bytes: int, *, tiles: bool) -> float:
    """What one stretch of frames makes, or one tile of it; the frames themselves are in the host's memory."""
    frames = min(1 + STRETCH * layout.time, numbers.num_frames)
    pixels = _pixels(layout, numbers)
    at_once = min(pixels, TILE**2) if tiles else pixels
    return number_bytes * frames * (DECODED * _decoder_width(layout) * at_once + 2 * 3 * pixels)


def spectrum_bytes(layout: Layout, numbers: Numbers) -> float:
    config = layout.checkpoint.config("audio_vae")
    return SPECTRUM * numbers.sounds * int(config.get("hidden_channels", 512))


def wave_bytes(layout: Layout, numbers: Numbers) -> float:
    config = layout.checkpoint.config("vocoder")
    width = int(config.get("upsample_initial_channel", 1536)) / 2.0 ** len(config.get("upsample_rates", range(6)))
    return WAVE * numbers.sounds * layout.sound_hop * width


def _pixels(layout: Layout, numbers: Numbers) -> int:
    return numbers.rows * numbers.cols * layout.space**2


def _decoder_width(layout: Layout) -> int:
    return int(layout.checkpoint.config("vae").get("block_out_channels", [128])[0])
