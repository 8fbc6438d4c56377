"""Inside the decode child: an image file becomes 8-bit sRGB. Pillow only; FFmpeg never sees an image."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from rushes.media.limits import ImageLimits
from rushes.media.orientation import UPRIGHT, Orientation, of_exif
from rushes.media.refusal import Refusal
from rushes.media.sniff import Kind

# Pillow loads its plugins when first needed; in the child nothing can be loaded any more. TIFF reads EXIF, and MPO is
# what a phone's JPEG with a second picture behind it becomes.
PLUGINS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

EXIF_ORIENTATION = 0x0112

SRGB = ImageCms.createProfile("sRGB")

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the child may start no thread

MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Frame headers, which state the size; the three left out are tables."""

AVIF_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
AVIF_HEAD_BYTES = 16_384


def read_picture(data: bytes, kind: Kind, limits: ImageLimits) -> tuple[NDArray[np.uint8], Orientation]:
    """The first frame of an image, (height, width, 3) as stored, and how it is to be turned.

    Transparency is laid over black, an ICC profile is followed where it can be read and dropped where not.
    Errors  Refusal; anything at all that Pillow raises.
    """
    _check_size(stated_size(data, kind), limits)
    if kind is Kind.JPEG and (scans := scans_of(data)) > limits.max_scans:
        raise Refusal("complex", scans)
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(BytesIO(data), formats=[kind.value])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
            raise Refusal("too_large") from bomb
        _check_size(image.size, limits)
        image.load()
        turn = _turn(image)
        return np.asarray(_in_srgb(image)), turn


def _check_size(size: tuple[int, int] | None, limits: ImageLimits) -> None:
    if size is not None and (size[0] * size[1] > limits.max_pixels or max(size) > limits.max_side):
        raise Refusal("too_large", *size)


def stated_size(data: bytes, kind: Kind) -> tuple[int, int] | None:
    """Width and height by the file's own header; None where that is not found, or is for Pillow to say.

    Asked first: Pillow's WebP reader makes two canvases of the size before anyone can look at it.
    """
    if kind is Kind.PNG:
        return _pair(data[16:24], "big", 4)
    if kind is Kind.GIF:
        return _pair(data[6:10], "little", 2)
    if kind is Kind.JPEG:
        height_first = (_pair(data[at + 3 : at + 7], "big", 2) for name, at in _segments(data) if name in FRAMES)
        return next(((width, height) for height, width in height_first), None)
    if kind is Kind.AVIF:
        sizes = [_pair(found[1], "big", 4) for found in AVIF_SIZE.finditer(data[:AVIF_HEAD_BYTES])]
        return max(sizes, key=lambda size: size[0] * size[1], default=None)
    return _stated_webp(data[12:16], data[20:30])


def _stated_webp(chunk: bytes, head: bytes) -> tuple[int, int] | None:
    if chunk == b"VP8X":
        width, height = _pair(head[4:10], "little", 3)
        return width + 1, height + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = _pair(head[6:10], "little", 2)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _pair(data: bytes, order: Literal["big", "little"], length: int) -> tuple[int, int]:
    return int.from_bytes(data[:length], order), int.from_bytes(data[length : 2 * length], order)


def scans_of(data: bytes) -> int:
    """How many scans a JPEG has: each makes the decoder pass over the whole image once more."""
    return sum(name == START_OF_SCAN for name, _ in _segments(data))


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG and where their segments begin, without what only looks like one inside (a thumbnail, say)."""
    at = 0
    while found := MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == END_OF_IMAGE:
            return
        if marker in STANDALONE:
            continue
        yield marker, at
        at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _turn(image: Image.Image) -> Orientation:
    try:
        return of_exif(image.getexif().get(EXIF_ORIENTATION))
    except Exception:  # damaged EXIF says nothing about the picture, and Pillow raises whatever it likes over it
        return UPRIGHT


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        black = Image.new("RGB", seen.size)
        black.paste(_converted(seen.convert("RGB"), profile), mask=seen.getchannel("A"))
        return black
    return _converted(image, profile)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit grey, scaled; Pillow's own conversion cuts everything above 255 off. A keyed grey becomes clear."""
    deep = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((np.minimum(deep, 65535) * 255 + 32767) // 65535).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(deep == key, 0, 255).astype(np.uint8)))
    return grey


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            seen = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            seen = None  # a profile that does not fit the picture is worth less than the picture
        if isinstance(seen, Image.Image):
            return seen
    return image.convert("RGB")
