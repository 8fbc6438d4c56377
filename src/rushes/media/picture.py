"""Inside the decode child: an image file becomes 8-bit sRGB. Pillow only; FFmpeg never sees an image."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

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
from rushes.media.stated import segments, stated_size

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

START_OF_SCAN = 0xDA


def read_picture(data: bytes, kind: Kind, limits: ImageLimits) -> tuple[NDArray[np.uint8], Orientation]:
    """The first frame of an image, (height, width, 3) as stored, and how it is to be turned.

    Transparency is laid over black, an ICC profile is followed where it can be read and dropped where not.
    Errors  Refusal; anything at all that Pillow raises.
    """
    # Asked first: Pillow's WebP reader makes two canvases of the size before anyone can look at it.
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


def scans_of(data: bytes) -> int:
    """How many scans a JPEG has: each makes the decoder pass over the whole image once more."""
    return sum(name == START_OF_SCAN for name, _ in segments(data))


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
