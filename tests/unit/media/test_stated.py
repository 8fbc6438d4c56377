"""What files say of themselves in their headers, against what their decoder finds in them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from foreign_cases import corners, film, image, sound, tone, wav
from hypothesis import example, given
from hypothesis import strategies as st

from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.limits import AudioLimits
from rushes.media.mp3 import MOST_FRAMES
from rushes.media.sniff import IMAGES, Kind
from rushes.media.stated import Stated, stated
from rushes.media.timetable import duration_s

LOOK = corners(96, 32)
FAST = {"cpu-used": "8", "deadline": "realtime"}


@pytest.mark.parametrize("kind", IMAGES)
def test_a_picture_says_how_large_it_is(kind: Kind) -> None:
    data = image(LOOK, kind.value)
    assert stated(data, kind) == Stated((96, 32))
    assert decode_image(data).rgb_HWC.shape == (32, 96, 3)


def test_a_picture_behind_long_notes_says_it_too() -> None:
    assert stated(image(LOOK, "JPEG", exif=b"Exif\0\0" + bytes(60_000)), Kind.JPEG).size == (96, 32)
    assert stated(image(LOOK, "WEBP", lossless=True), Kind.WEBP).size == (96, 32)


@pytest.mark.parametrize(
    ("kind", "container", "codec"),
    [
        (Kind.MP4, "mp4", "libx264"),
        (Kind.MP4, "mov", "libx264"),
        (Kind.MATROSKA, "matroska", "libx264"),
        (Kind.MATROSKA, "webm", "libvpx-vp9"),
    ],
)
@pytest.mark.parametrize("count", [1, 9, 40])
def test_a_clip_says_how_large_it_is_and_how_long_it_lasts(kind: Kind, container: str, codec: str, count: int) -> None:
    data = film([LOOK] * count, container, codec, options=FAST if codec == "libvpx-vp9" else None)
    said, clip = stated(data, kind), decode_video(data)
    assert said.size == (96, 32)
    assert said.least_s == said.most_s
    assert said.most_s == pytest.approx(duration_s(clip.times_s.tolist(), 1 / 25), abs=0.041)


@pytest.mark.parametrize(("kind", "container"), [(Kind.MP4, "mp4"), (Kind.MATROSKA, "matroska")])
def test_a_sound_that_goes_on_after_the_picture_is_not_taken_for_it(kind: Kind, container: str) -> None:
    said = stated(film([LOOK] * 10, container, sound=tone(3.0)), kind)
    if kind is Kind.MP4:
        assert said.least_s == said.most_s == pytest.approx(0.4, abs=0.041)
    else:
        assert said.least_s is None, "the file says only how long all of it lasts"
        assert said.most_s == pytest.approx(3.0, abs=0.1)


def test_pixels_that_are_no_squares_count_as_wide_as_they_are_shown() -> None:
    data = film([LOOK] * 2)
    wide, tall = ((side << 16).to_bytes(4, "big") for side in (192, 32))
    data = data.replace((96 << 16).to_bytes(4, "big") + tall, wide + tall)  # in the track's header
    assert stated(data, Kind.MP4).size == (192, 32)
    assert decode_video(data).frames_THWC.shape[1:3] == (32, 192)
    pixels = element("b0", b"\x60") + element("ba", b"\x20")
    shown = element("54b0", b"\x06") + element("54ba", b"\x01")  # six to one, in whatever unit
    for video, size in ((pixels, (96, 32)), (pixels + shown, (192, 32))):
        track = element("ae", element("83", b"\1") + element("e0", video))
        assert stated(element("18538067", element("1654ae6b", track)), Kind.MATROSKA).size == size


def element(name: str, body: bytes) -> bytes:
    """One of Matroska's, of less than 127 bytes."""
    return bytes.fromhex(name) + bytes([0x80 | len(body)]) + body


def test_a_clip_that_is_written_as_it_is_recorded_does_not_say_how_long_it_is_but_can_be_counted() -> None:
    fragments = film([LOOK] * 30, container_options={"movflags": "frag_keyframe+empty_moov"})
    live = film([LOOK] * 30, "webm", "libvpx-vp9", options=FAST, container_options={"live": "1"})
    for data, kind in ((fragments, Kind.MP4), (live, Kind.MATROSKA)):
        said = stated(data, kind)
        assert (said.size, said.least_s, said.most_s) == ((96, 32), None, None)
        assert said.times_s is not None and len(said.times_s) == 30


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_a_sound_says_how_long_it_lasts(rate_hz: int) -> None:
    data = wav(tone(1.5, rate_hz), rate_hz)
    said = stated(data, Kind.WAV)
    heard = decode_audio(data, AudioLimits(min_seconds=0.0))
    assert said.least_s == said.most_s == pytest.approx(len(heard.samples) / rate_hz)
    assert stated(data[: len(data) // 2], Kind.WAV).most_s == pytest.approx(0.75, abs=0.01), "what is there counts"


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("seconds", [0.3, 2.96])
def test_the_frames_of_an_mp3_are_counted(rate_hz: int, layout: str, seconds: float) -> None:
    data = sound(tone(seconds, rate_hz, 1 if layout == "mono" else 2), rate_hz, "mp3", "libmp3lame", layout)
    said, heard = stated(data, Kind.MP3), decode_audio(data, AudioLimits(min_seconds=0.0))
    assert said.least_s == said.most_s == pytest.approx(len(heard.samples) / rate_hz)
    notes = b"ID3\4\0\0\0\0\2\1" + bytes(257 + 700) + data[data.index(b"\xff\xfb" if rate_hz > 24_000 else b"\xff") :]
    assert stated(notes, Kind.MP3) == said, "behind a tag, and what it is padded with"
    assert stated(data + b"TAG" + bytes(125), Kind.MP3) == stated(data + bytes(999), Kind.MP3) == said


def test_an_mp3_that_is_not_frame_by_frame_does_not_say() -> None:
    data = sound(tone(1), 48_000, "mp3", "libmp3lame")
    slower = sound(tone(1, 44_100), 44_100, "mp3", "libmp3lame")
    for crooked in (data[:-7], data + b"noise", data + slower[slower.index(b"\xff\xfb") :], b"\xff\xfb" + bytes(60)):
        assert stated(crooked, Kind.MP3) == Stated()


def test_of_a_long_mp3_the_rest_is_taken_for_like_the_beginning() -> None:
    frame = b"\xff\xfb\x10\xc0" + bytes(100)  # 32 kbit/s at 44,100 Hz: 104 bytes, 1152 samples
    for count in (MOST_FRAMES - 1, 3 * MOST_FRAMES):
        assert stated(frame * count, Kind.MP3).least_s == pytest.approx(count * 1152 / 44_100)


GOOD = {
    Kind.MP4: film([LOOK] * 3),
    Kind.MATROSKA: film([LOOK] * 3, "matroska"),
    Kind.WAV: wav(tone(0.1)),
    **{kind: image(LOOK, kind.value) for kind in IMAGES},
}


@given(st.sampled_from(list(GOOD)), st.integers(0, 400), st.binary(max_size=24), st.integers(0, 2000))
@example(Kind.MP4, 0, b"", 0)
@example(Kind.MATROSKA, 40, b"\xff" * 24, 2000)
def test_whatever_a_file_says_there_is_an_answer(kind: Kind, at: int, other: bytes, length: int) -> None:
    """Bytes changed or cut off, where its header is."""
    data = GOOD[kind]
    header = data.index(b"moov") - 4 if kind is Kind.MP4 else 0  # at the end of the file
    data = data[:32] + data[header:] if header else data
    changed = (data[:at] + other + data[at + len(other) :])[:length]
    said = stated(changed, kind)
    for number in (*(said.size or ()), *(s for s in (said.least_s, said.most_s) if s is not None)):
        assert np.isfinite(float(number)) and number >= 0


def test_a_file_of_nothing_but_beginnings_is_given_up() -> None:
    """The right one would come, a million later: who has so many wants to keep somebody busy."""
    box = (8).to_bytes(4, "big") + b"free"
    data = GOOD[Kind.MP4]
    begin = int.from_bytes(data[:4], "big")
    assert stated(data[:begin] + box * 10 + data[begin:], Kind.MP4).size == (96, 32)
    assert stated(data[:begin] + box * 100_000 + data[begin:], Kind.MP4) == Stated()


@pytest.mark.parametrize("filling", ["b'\\xff'", "b'\\xff\\xe0\\0\\2'"], ids=["fill bytes", "short segments"])
def test_a_file_of_nothing_but_marks_is_soon_read(filling: str) -> None:
    """In another process: a search that tries again from every byte takes an hour, and cannot be stopped."""
    asked = (
        "from rushes.media.sniff import Kind\n"
        "from rushes.media.stated import HEAD_BYTES, Stated, stated\n"
        f"assert stated(b'\\xff\\xd8' + {filling} * HEAD_BYTES, Kind.JPEG) == Stated()"
    )
    subprocess.run([sys.executable, "-c", asked], check=True, timeout=180)
