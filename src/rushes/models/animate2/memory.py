"""The memory of a film of this family, foretold from the headers of its files and the size of its segments.

Parts by their headers. What is made while they compute by the table below: bytes to a token and width of the
transformer, to a pixel and width of the autoencoder, fitted to counted tensor bytes of random ones of several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rushes.contract.artifact import Native
from rushes.models.blocks.memory import t5_bytes
from rushes.models.kept import KeptNetworks
from rushes.models.parts import How, Needs

ERROR = 0.1
"""On a CPU the counted bytes are within this of the foretold (tests/open_models/test_animate2_residency.py), with a
kernel that holds no pair of tokens, as the compiled one of a GPU; not measured on a GPU. On a CPU that kernel writes
out every pair, which is not foretold."""

ATTENTION = {4: 13.5, 2: 18.1}  # numbers to a token and width, by the bytes of one: film and clip are packed together
FORWARD = 5.0  # beside twice the inner width
PIECES = 512
SEEN_BYTES = 1 << 26  # by CLIP, of a picture that is made as small as it learned
ENCODED, DECODED, FRAME = 148.0, 205.0, 65.0  # bytes to a pixel and width, and to a pixel alone; float32
FILMS_ENCODED, FILMS_DECODED = 2.8, 3.1  # how often a segment's frames are there, in the least autoencoders
NUMBER = 12  # bytes to a pixel of a frame in float32


def needs(
    config: Callable[[str], Mapping[str, Any]],
    parts: KeptNetworks,
    how: How,
    native: Native,
    *,
    segment: int,
    number_bytes: int,
) -> Needs:
    """What a film needs that is made `segment` frames at a time. `config` of its parts, by name."""
    stage, pixels = partial(parts.stage, how), native.width * native.height
    width, film = int(config("vae")["base_dim"]), NUMBER * segment
    encoded = pixels * max(ENCODED * width + FRAME + film, FILMS_ENCODED * film)
    decoded = pixels * max(DECODED * width + FRAME + film, FILMS_DECODED * film)
    stages = (
        stage("words", "text_encoder", t5_bytes(dict(config("text_encoder")), PIECES, number_bytes)),
        stage("pictures", "image_encoder", SEEN_BYTES),
        stage("pictures", "vae", encoded),
        stage("steps", "transformer", pass_bytes(config("transformer"), pixels, segment, number_bytes)),
        # Between two segments: the end of one is decoded, and encoded for the next.
        stage("steps", "vae", max(decoded, encoded + pixels * film)),
        stage("decoding", "vae", decoded),
    )
    return Needs(stages, ERROR)


def pass_bytes(config: Mapping[str, Any], pixels: int, segment: int, number_bytes: int) -> float:
    """A pass over a segment and the picture before it, beside what every layer keeps of the clip."""
    width, places = int(config["dim"]), pixels // 256  # eight pixels a latent place, two by two of those a token
    driven = 1 + (segment - 1) // 4
    kept = 2 * int(config["num_layers"]) * driven * places * width
    made = max(ATTENTION[number_bytes] * width, FORWARD * width + 2 * int(config["ffn_dim"]))
    return number_bytes * (kept + made * (driven + 1) * places)
