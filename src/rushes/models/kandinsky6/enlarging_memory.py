"""The memory of the second stage, foretold as the first one's is (`memory.py`). Imports no tensor library."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rushes.models.kandinsky6.enlarger import Enlarger
from rushes.models.kandinsky6.layout import Layout
from rushes.models.kandinsky6.state import Numbers
from rushes.models.parts import How, Stage

if TYPE_CHECKING:
    from rushes.models.kept import KeptNetworks

LONG, SHORT = 16, 4  # frames that the autoencoder works through at a time (`refine.py`)

# By the bytes of a number: bytes to a token and width of a pass, as it looks and as it attends, the mask apart.
LOOKING, ATTENDING = {4: 44.0, 2: 27.0}, {4: 28.3, 2: 13.2}
PLACES = 8  # bytes to a token and width of a head: where it is
MASKED = 1 << 28  # numbers of a mask at a time (`nabla.py`), each a byte and a number

# Numbers to a pixel, frame and width of the autoencoder's second level, which makes the most. Of short stretches more,
# because what is kept of the one before is beside each.
ENCODED, DECODED, DECODED_SHORT = {4: 1.9, 2: 2.1}, {4: 5.1, 2: 5.8}, {4: 6.6, 2: 6.8}
DOUBLED = {4: 4.65, 2: 5.65}  # and to a doubled place and middle width of what doubles


def stages(
    layout: Layout, enlarger: Enlarger, parts: KeptNetworks, how: How, numbers: Numbers, number_bytes: int
) -> tuple[Stage, ...]:
    """What the second stage has in memory at its steps and when it is decoded; its parts are as they are published."""
    stage = partial(parts.stage, How())
    kept = kept_bytes(layout, enlarger, numbers, number_bytes)
    made = {
        "vae": encoding_bytes(layout, enlarger, how, numbers, number_bytes),
        "latent_upscaler": kept + doubling_bytes(layout, enlarger, numbers, number_bytes),
        "transformer": kept + step_bytes(layout, enlarger, numbers, number_bytes),
    }
    steps = (stage("steps", part, size_bytes) for part, size_bytes in made.items())
    decoding = kept + decoding_bytes(layout, enlarger, how, numbers, number_bytes)
    return (*steps, stage("decoding", "vae", decoding))


def kept_bytes(layout: Layout, enlarger: Enlarger, numbers: Numbers, number_bytes: int) -> float:
    """Of the state: the film's latent of the first stage, as it is encoded again, and every tile of the second."""
    before = 4.0 * numbers.frames * numbers.rows * numbers.cols * layout.channels
    height, width = _stretched(layout, enlarger, numbers)
    places = height * width // enlarger.space**2 + numbers.tiles * _places(layout, enlarger, numbers)
    return before + number_bytes * numbers.frames * places * enlarger.channels


def step_bytes(layout: Layout, enlarger: Enlarger, numbers: Numbers, number_bytes: int) -> float:
    """What a step of one tile makes."""
    config = enlarger.checkpoint.config("transformer")
    width, head = int(config.get("model_dim", 1792)), sum(map(int, config.get("axes_dims", (16, 24, 24))))
    _, down, across = map(int, config.get("patch_size", (1, 1, 1)))
    tokens = numbers.frames * _places(layout, enlarger, numbers) // (down * across)
    mask = min(MASKED, width // head * tokens**2) * (1 + number_bytes)
    looking, attending = (tokens * width * table[number_bytes] for table in (LOOKING, ATTENDING))
    return max(looking, attending + mask) + PLACES * tokens * head


def doubling_bytes(layout: Layout, enlarger: Enlarger, numbers: Numbers, number_bytes: int) -> float:
    """What doubles a tile, as a latent."""
    middle = int(enlarger.checkpoint.config("latent_upscaler").get("stage_channels", (2048, 1024, 512))[1])
    places = numbers.frames * _places(layout, enlarger, numbers)
    return DOUBLED[number_bytes] * number_bytes * places * middle


def encoding_bytes(layout: Layout, enlarger: Enlarger, how: How, numbers: Numbers, number_bytes: int) -> float:
    """What the autoencoder makes of a stretch of the film, which it then has to keep for the next."""
    config = enlarger.checkpoint.config("vae")
    width = int(config.get("encoder_block_out_channels", (16, 128))[1])
    height, across = _stretched(layout, enlarger, numbers)
    return ENCODED[number_bytes] * number_bytes * width * height * across * _at_once(how, numbers)


def decoding_bytes(layout: Layout, enlarger: Enlarger, how: How, numbers: Numbers, number_bytes: int) -> float:
    """What it makes of a stretch of a tile. The film waits in the host's memory."""
    config = enlarger.checkpoint.config("vae")
    width = int(config.get("decoder_block_out_channels", (16, 256))[1])
    pixels = _places(layout, enlarger, numbers) * enlarger.space**2
    decoded = DECODED_SHORT if how.tiles else DECODED
    return decoded[number_bytes] * number_bytes * width * pixels * _at_once(how, numbers)


def _at_once(how: How, numbers: Numbers) -> int:
    """Frames of a stretch, the first of which is the longest."""
    return min(numbers.num_frames, 1 + (SHORT if how.tiles else LONG))


def _stretched(layout: Layout, enlarger: Enlarger, numbers: Numbers) -> tuple[int, int]:
    """Height and width of the film as it is encoded."""
    height, width = (enlarger.stretched(places * layout.space) for places in (numbers.rows, numbers.cols))
    return height, width


def _places(layout: Layout, enlarger: Enlarger, numbers: Numbers) -> int:
    """Of one frame of a tile's latent."""
    height, width = _stretched(layout, enlarger, numbers)
    tile_height, tile_width = enlarger.tile(width, height)
    return tile_height * tile_width // enlarger.space**2
