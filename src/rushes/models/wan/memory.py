"""The memory of a clip of this family, foretold from the headers of its files and the shape of its latents.

Parts by their headers. What is made while they compute by the table below: bytes to a token and width of the
transformer, to a pixel and width of the autoencoder, fitted to counted tensor bytes of random ones of several sizes.
Imports no tensor library.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rushes.models.parts import FP8, How, Needs
from rushes.models.wan.layout import Layout

if TYPE_CHECKING:
    from rushes.models.kept import KeptNetworks

ERROR = 0.1
"""On a CPU the counted bytes are within this of the foretold (tests/open_models/test_wan_memory.py). On a GPU it has
not been measured: kernels there take work space of their own, and spare some copies."""

FLOAT32 = frozenset({"vae", "image_encoder"})
KEPT_IN_FLOAT32 = ("time_embedder", "scale_shift_table", "norm1", "norm2", "norm3")
"""Of a transformer's tensors, as the library loads them (its `_keep_in_fp32_modules`)."""

PIECES_LEFT = 512  # tokens of text, beside which the least clip is small

# Bytes to a token and width, by the bytes of a number: attention holds its three projections and what they are made
# from, the feed-forward its input, output and twice its inner width; a time for each token is six widths of float32.
ATTENTION = {4: 28.0, 2: 22.0}
ATTENTION_IN_PIECES = {4: 28.0, 2: 22.0}
FORWARD = {4: 16.0, 2: 8.0}
TIMES = {4: 52.0, 2: 39.0}
TEXT = {4: 12.0, 2: 6.0}

DECODED, ENCODED, FRAME = 205.0, 150.0, 65.0  # bytes to a pixel and width, and to a pixel alone; float32
DECODED_FOLDED, ENCODED_FOLDED = 86.0, 54.0  # the autoencoder that folds two by two pixels into channels
FILM_COPIES = 6  # of a film of 12 bytes a pixel, while it is laid out and encoded
SCORES = {4: 8.4, 2: 4.2}  # of the text encoder: bytes to a head and pair of pieces
SEEN_BYTES = 1 << 26  # by CLIP, of a picture that is made as small as it learned
TILE = 256
"""Pixels a side of a tile, for a decoder that works by tiles."""


def needs(
    layout: Layout,
    kept: KeptNetworks,
    how: How,
    *,
    prompts: int,
    frames: int,
    rows: int,
    cols: int,
    number_bytes: int,
    film: bool,
) -> Needs:
    """What a clip of `frames` × `rows` × `cols` latent places needs, with so many `prompts` in a pass.

    `film` whether pictures or clips are given, or the arrangement reads a film in any case.
    """
    stage = partial(kept.stage, how)
    pixels = rows * cols * layout.space**2
    num_frames = 1 + (frames - 1) * layout.time
    stages = [stage("words", "text_encoder", words_bytes(layout, number_bytes))]
    if film:
        stages.append(stage("pictures", "vae", encoding_bytes(layout, pixels, num_frames)))
        if "image_encoder" in kept.keys:
            stages.append(stage("pictures", "image_encoder", SEEN_BYTES))
    step_bytes = pass_bytes(layout, how, prompts, frames=frames, rows=rows, cols=cols, number_bytes=number_bytes)
    step_bytes += state_bytes(layout, frames=frames, rows=rows, cols=cols)
    # Only one of two experts works at a time.
    stages += [stage("steps", expert, step_bytes) for expert in layout.experts]
    stages.append(stage("decoding", "vae", decoding_bytes(layout, pixels, num_frames, how)))
    return Needs(tuple(stages), ERROR)


def pass_bytes(
    layout: Layout, how: How, prompts: int = 1, *, frames: int, rows: int, cols: int, number_bytes: int
) -> float:
    """The most that one pass of the transformer makes, with so many prompts in it."""
    config = layout.checkpoint.config("transformer")
    head = int(config["attention_head_dim"])
    width, inner = int(config["num_attention_heads"]) * head, int(config["ffn_dim"])
    tokens = frames * (rows // layout.patch) * (cols // layout.patch)
    attention = ATTENTION[number_bytes] * width
    narrow_bytes = 1 if how.matrices == FP8 else 0  # what comes in, in eight bits beside itself
    forward = FORWARD[number_bytes] * width + (2 * number_bytes + narrow_bytes) * inner / how.pieces
    each = max(attention, forward)
    places, channels = frames * rows * cols, int(config["in_channels"])
    told = 5 * layout.z_dim * places
    if layout.kind == "text or first frame":
        each += TIMES[number_bytes] * width
    if layout.kind == "any frames":
        each += number_bytes * width * (1 + len(config["vace_layers"]))
        told += (2 * layout.z_dim + layout.space**2) * places * (2 if number_bytes == 2 else 0)
    if channels > layout.z_dim:
        told += channels * places * (4 + number_bytes)
    told += tokens * 8 * head  # where each token is, once for all prompts
    return prompts * tokens * each + PIECES_LEFT * TEXT[number_bytes] * width + told


def state_bytes(layout: Layout, *, frames: int, rows: int, cols: int) -> float:
    """The latent between two steps, and what a solver of second order remembers of the two before."""
    return 5 * 4 * layout.z_dim * frames * rows * cols


def words_bytes(layout: Layout, number_bytes: int) -> float:
    config = layout.checkpoint.config("text_encoder")
    scores = SCORES[number_bytes] * int(config["num_heads"]) * PIECES_LEFT**2
    return max(scores, 56.0 * PIECES_LEFT**2) + 6 * number_bytes * PIECES_LEFT * int(config["d_ff"])


def encoding_bytes(layout: Layout, pixels: int, num_frames: int) -> float:
    config = layout.checkpoint.config("vae")
    each = (ENCODED_FOLDED if config.get("patch_size") else ENCODED) * int(config["base_dim"])
    return pixels * (each + FRAME + 12 * FILM_COPIES * num_frames)


def decoding_bytes(layout: Layout, pixels: int, num_frames: int, how: How) -> float:
    config = layout.checkpoint.config("vae")
    width = int(config.get("decoder_base_dim") or config["base_dim"])
    each = (DECODED_FOLDED if config.get("patch_size") else DECODED) * width + FRAME
    if not how.tiles:
        return pixels * each
    return min(pixels, TILE**2) * each  # the film itself waits in the host's memory
