"""Good files come out of the decode child as what went into them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from foreign_cases import COLOURS, Frames, corner_names, corners, film, image, sound, tone, wav
from PIL import Image, ImageCms

from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.limits import VideoLimits

UPRIGHT = list(COLOURS)


def off_by(found: Frames, wanted: Frames) -> int:
    """The largest difference of any value."""
    return int(np.abs(found.astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {})])
def test_a_lossless_image_comes_out_as_it_went_in(file_format: str, options: dict[str, Any]) -> None:
    found = decode_image(image(corners(), file_format, **options)).rgb_HWC
    assert (found.dtype, found.shape) == (np.uint8, (32, 48, 3))
    assert off_by(found, corners()) == 0


@pytest.mark.parametrize("file_format", ["JPEG", "AVIF"])
def test_a_lossy_image_comes_out_close_to_what_went_in(file_format: str) -> None:
    found = decode_image(image(corners(), file_format, quality=95)).rgb_HWC
    assert found.shape == (32, 48, 3)
    assert corner_names(found) == UPRIGHT


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [
        (1, ["red", "green", "blue", "grey"]),
        (2, ["green", "red", "grey", "blue"]),
        (3, ["grey", "blue", "green", "red"]),
        (4, ["blue", "grey", "red", "green"]),
        (5, ["red", "blue", "green", "grey"]),
        (6, ["blue", "red", "grey", "green"]),
        (7, ["grey", "green", "blue", "red"]),
        (8, ["green", "grey", "red", "blue"]),
        (99, ["red", "green", "blue", "grey"]),
    ],
)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_turned_as_its_exif_says(file_format: str, orientation: int, seen: list[str]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode_image(image(corners(), file_format, exif=exif)).rgb_HWC
    assert found.shape == ((48, 32, 3) if 5 <= orientation <= 8 else (32, 48, 3))
    assert corner_names(found) == seen


def test_transparency_is_laid_over_black() -> None:
    clear = np.dstack([corners(), np.full((32, 48), 255, np.uint8)])
    clear[:16, :, 3] = 0
    clear[16:, :24, 3] = 128
    found = decode_image(image(clear, "PNG")).rgb_HWC
    assert found[:16].max() == 0
    assert off_by(found[16:, :24], np.rint(corners()[16:, :24] * (128 / 255)).astype(np.uint8)) <= 1
    assert off_by(found[16:, 24:], corners()[16:, 24:]) == 0


def test_a_transparent_palette_entry_is_black() -> None:
    indexed = Image.fromarray(corners()).quantize(4)
    red = indexed.getpixel((2, 2))
    found = decode_image(image(indexed, "PNG", transparency=red)).rgb_HWC
    assert found[2, 2].max() == 0
    assert corner_names(found)[1:] == UPRIGHT[1:]


def test_sixteen_bits_of_grey_are_scaled_to_eight() -> None:
    deep = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    found = decode_image(image(Image.fromarray(deep), "PNG")).rgb_HWC
    assert off_by(found, np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)) == 0


def test_cmyk_becomes_rgb() -> None:
    found = decode_image(image(Image.fromarray(corners()).convert("CMYK"), "JPEG", quality=95)).rgb_HWC
    assert corner_names(found) == UPRIGHT


def test_a_colour_profile_is_followed() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    swapped = _swapped_profile()
    plain, followed, senseless = (
        decode_image(image(corners(), "PNG", **({} if profile is None else {"icc_profile": profile}))).rgb_HWC
        for profile in (None, swapped, linear.tobytes())
    )
    assert off_by(plain, corners()) == 0
    assert corner_names(followed)[:2] == ["green", "red"]
    assert off_by(senseless, corners()) == 0  # of another colour space than the picture: dropped


def _swapped_profile() -> bytes:
    """sRGB with the tags of its red and green primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def test_of_an_animated_image_the_first_frame_is_taken() -> None:
    first, second = Image.fromarray(corners()), Image.fromarray(corners()[::-1])
    for file_format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = image(first, file_format, save_all=True, append_images=[second], duration=100, **options)
        assert off_by(decode_image(data).rgb_HWC, corners()) == 0, file_format


MOVING = [np.roll(corners(64, 48), 4 * index, axis=1) for index in range(12)]


@pytest.mark.parametrize(
    ("container_format", "codec", "options"),
    [
        ("mp4", "libx264", {"crf": "8"}),
        ("mp4", "libx265", {"crf": "8", "x265-params": "log-level=none:pools=none:frame-threads=1"}),
        ("mp4", "libsvtav1", {"crf": "10", "preset": "8"}),
        ("mov", "libx264", {"crf": "8"}),
        ("mov", "mjpeg", {"qmin": "1", "qmax": "2"}),
        ("mp4", "mpeg4", {"qmin": "1", "qmax": "2"}),
        ("webm", "libvpx-vp9", {"crf": "8", "b": "0", "cpu-used": "8"}),
        ("webm", "libvpx", {"crf": "4", "b": "4M", "cpu-used": "8"}),
        ("matroska", "libx264", {"crf": "8"}),
    ],
)
def test_a_video_comes_out_frame_by_frame(
    container_format: str, codec: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = decode_video(film(MOVING, container_format, codec, options=options, pix_fmt=pix_fmt))
    assert clip.frames_THWC.shape == (12, 48, 64, 3)
    np.testing.assert_allclose(clip.times_s, np.arange(12) * 0.04, atol=0.0015)
    assert clip.audio is None
    for found, wanted in zip(clip.frames_THWC, MOVING, strict=True):
        assert np.abs(found.astype(int) - wanted.astype(int)).mean() < 12


def test_colours_of_a_video_are_right_by_its_tags() -> None:
    for colour in COLOURS.values():
        flat = np.full((32, 32, 3), colour, np.uint8)
        found = decode_video(film([flat] * 2, options={"crf": "1"})).frames_THWC
        assert off_by(found[0], flat) <= 3


def test_frames_have_the_times_that_the_file_gives_them() -> None:
    times_ms = [0, 40, 120, 125, 300, 1000]
    for container_format in ("mp4", "matroska"):
        clip = decode_video(film(MOVING[:6], container_format, times_ms=times_ms))
        np.testing.assert_allclose(clip.times_s, np.array(times_ms) / 1000, atol=1e-6)


def test_times_are_counted_from_the_first_frame() -> None:
    clip = decode_video(film(MOVING[:3], "matroska", times_ms=[500, 540, 580]))
    np.testing.assert_allclose(clip.times_s, [0, 0.04, 0.08], atol=1e-6)


def test_an_odd_size_is_kept() -> None:
    odd = [corners(53, 37)] * 3
    clip = decode_video(film(odd, "webm", "libvpx-vp9", options={"crf": "8", "b": "0", "cpu-used": "8"}))
    assert clip.frames_THWC.shape == (3, 37, 53, 3)
    assert corner_names(clip.frames_THWC[0]) == UPRIGHT


def display_matrix(data: bytes, *numbers: int) -> bytes:
    """An MP4 with the rotation of its only track replaced: a, b, c, d of the matrix, as whole numbers."""
    a, b, c, d = (number << 16 for number in numbers)
    fixed = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    wanted = (a, b, 0, c, d, 0, 0, 0, 1 << 30)

    def packed(matrix: tuple[int, ...]) -> bytes:
        return b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)

    at = data.index(b"tkhd")
    assert packed(fixed) in data[at : at + 100]
    return data[:at] + data[at:].replace(packed(fixed), packed(wanted), 1)


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((1, 0, 0, 1), ["red", "green", "blue", "grey"]),
        ((0, 1, -1, 0), ["blue", "red", "grey", "green"]),  # a quarter turn clockwise: a phone held upright
        ((-1, 0, 0, -1), ["grey", "blue", "green", "red"]),
        ((0, -1, 1, 0), ["green", "grey", "red", "blue"]),
        ((-1, 0, 0, 1), ["green", "red", "grey", "blue"]),
    ],
)
def test_a_video_is_turned_as_its_matrix_says(matrix: tuple[int, ...], seen: list[str]) -> None:
    clip = decode_video(display_matrix(film([corners()] * 2), *matrix))
    assert clip.frames_THWC.shape == ((2, 48, 32, 3) if matrix[0] == 0 else (2, 32, 48, 3))
    assert corner_names(clip.frames_THWC[0]) == seen


def test_pixels_that_are_not_square_are_made_square() -> None:
    clip = decode_video(film([corners()] * 2, pixel_aspect=Fraction(4, 3)))
    assert clip.frames_THWC.shape == (2, 32, 64, 3)
    assert corner_names(clip.frames_THWC[0]) == UPRIGHT


def test_frames_far_larger_than_the_grid_come_smaller_but_never_below_twice_of_it() -> None:
    large = [corners(640, 360)] * 2
    for grid, shape in [((32, 16), (2, 36, 64, 3)), ((16, 32), (2, 64, 114, 3)), ((600, 300), (2, 360, 640, 3))]:
        clip = decode_video(film(large), VideoLimits(grid=grid))
        assert clip.frames_THWC.shape == shape
        assert corner_names(clip.frames_THWC[0]) == UPRIGHT


@pytest.mark.parametrize(
    ("container_format", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("webm", "libopus"), ("mov", "pcm_s16le")]
)
def test_the_sound_of_a_video_comes_along_where_it_is_asked_for(container_format: str, codec: str) -> None:
    heard = tone(0.48)
    video = ("libvpx-vp9", {"cpu-used": "8"}) if container_format == "webm" else ("libx264", {})
    data = film(MOVING, container_format, video[0], options=video[1], sound=heard, sound_codec=codec)
    assert decode_video(data).audio is None
    track = decode_video(data, VideoLimits(sound=True)).audio
    assert track is not None
    assert track.rate_hz == 48_000
    length = min(len(track.samples), len(heard))
    assert length >= 0.45 * 48_000
    assert np.corrcoef(track.samples[:length, 0], heard[:length, 0])[0, 1] > 0.98


def test_a_silent_video_has_no_sound_even_where_it_is_asked_for() -> None:
    assert decode_video(film(MOVING), VideoLimits(sound=True)).audio is None


def test_a_wav_comes_out_sample_by_sample() -> None:
    heard = tone(3.2, 44_100)
    found = decode_audio(wav(heard, 44_100))
    assert (found.rate_hz, found.samples.dtype, found.samples.shape) == (44_100, np.float32, heard.shape)
    assert np.abs(found.samples - heard).max() < 1e-4


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_depth_of_wav_is_read_at_full_scale(codec: str) -> None:
    heard = tone(3.1, 16_000)
    found = decode_audio(sound(heard, 16_000, "wav", codec))
    assert np.abs(found.samples - heard).max() < (0.02 if codec == "pcm_u8" else 1e-4)


def test_an_mp3_comes_out_as_the_same_sound() -> None:
    heard = tone(3.5)
    found = decode_audio(sound(heard, 48_000, "mp3", "libmp3lame"))
    assert found.rate_hz == 48_000
    assert abs(len(found.samples) - len(heard)) <= 2 * 1152
    length = min(len(found.samples), len(heard))
    assert np.corrcoef(found.samples[:length, 0], heard[:length, 0])[0, 1] > 0.99


def test_one_channel_is_heard_on_both_sides() -> None:
    found = decode_audio(wav(tone(3, channels=1)))
    assert np.array_equal(found.samples[:, 0], found.samples[:, 1])
    assert np.abs(found.samples[:, 0] - tone(3, channels=1)[:, 0]).max() < 1e-4


def test_more_channels_are_mixed_to_their_sides_and_do_not_clip() -> None:
    full = np.zeros((3 * 8000, 6), np.float32)
    full[:8000, 0] = full[8000:16000, 1] = full[16000:, 3] = 0.9  # left, right, effects
    found = decode_audio(sound(full, 8000, "wav", "pcm_s16le", "5.1")).samples
    assert found[4000, 0] > 0.3
    assert abs(found[4000, 1]) < 0.01
    assert found[12000, 1] > 0.3
    assert abs(found[12000, 0]) < 0.01
    assert np.abs(found[20000]).max() < 0.01
    loud = decode_audio(sound(np.full((24_000, 6), 0.999, np.float32), 8000, "wav", "pcm_s16le", "5.1")).samples
    assert 0.9 < loud.max() <= 1.0
