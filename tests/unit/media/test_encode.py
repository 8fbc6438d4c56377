"""A finished file is exactly what was asked for."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from media_cases import Frames, bt709, disc_film, plane_of, top_level_boxes, write

from rushes.errors import GenerationFailed, InvalidValue, StorageUnavailable
from rushes.media.probe import Colour, probe

FORMATS = pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
BT709_LIMITED = Colour(primaries=1, transfer=1, matrix=1, range=1)


@FORMATS
@pytest.mark.parametrize(
    ("width", "height", "fps", "num_frames"),
    [
        (1366, 768, 24, 7),
        (64, 64, 15, 31),
        (1080, 1920, 30, 5),
        (960, 960, 60, 9),
        (320, 180, 25, 1),
        (288, 160, 12, 30),
    ],
)
def test_size_rate_and_length_are_exactly_as_asked(
    tmp_path: Path, output_format: str, width: int, height: int, fps: int, num_frames: int
) -> None:
    film = disc_film(num_frames, width, height)
    made = write(film, tmp_path / "film", fps=fps, output_format=output_format)
    facts = probe(made.path)
    assert (facts.width, facts.height, facts.num_frames) == (width, height, num_frames)
    assert facts.fps == fps
    assert facts.duration_s == pytest.approx(num_frames / fps, abs=1e-3)
    # WEBM counts in milliseconds, MP4 in ticks that divide by the frame rate.
    within_s = 1e-9 if output_format == "MP4" else 0.5e-3 + 1e-9
    assert np.allclose(facts.frame_times_s, np.arange(num_frames) / fps, rtol=0, atol=within_s)
    assert (made.width, made.height, made.fps, made.num_frames) == (width, height, fps, num_frames)
    assert made.duration_s == num_frames / fps


@pytest.mark.parametrize(
    ("output_format", "container", "codec", "profile", "content_type"),
    [("MP4", "mp4", "h264", "High", "video/mp4"), ("WEBM", "webm", "vp9", "Profile 0", "video/webm")],
)
def test_codecs_are_the_ones_every_browser_plays(
    tmp_path: Path, output_format: str, container: str, codec: str, profile: str, content_type: str
) -> None:
    made = write(disc_film(3, 64, 48), tmp_path / "film", output_format=output_format)
    facts = probe(made.path)
    assert container in facts.container.split(",")
    assert (facts.codec, facts.profile, facts.pix_fmt) == (codec, profile, "yuv420p")
    assert made.content_type == content_type
    assert facts.audio is None
    assert not made.has_audio


@FORMATS
@pytest.mark.parametrize("output_quality", [0, 51])
def test_the_ends_of_the_quality_scale_still_play(tmp_path: Path, output_format: str, output_quality: int) -> None:
    made = write(disc_film(3, 64, 48), tmp_path / "film", output_format=output_format, output_quality=output_quality)
    assert probe(made.path).profile in ("High", "Profile 0")


@FORMATS
def test_colours_come_back_as_bt709_and_are_tagged_so(tmp_path: Path, output_format: str) -> None:
    levels = (0, 64, 191, 255)
    colours = np.array([(r, g, b) for r in levels for g in levels for b in levels], dtype=np.uint8)
    patches = colours.reshape(8, 8, 3).repeat(32, axis=0).repeat(32, axis=1)
    made = write(np.stack([patches] * 3), tmp_path / "film", output_format=output_format, output_quality=1)
    assert probe(made.path).colour == BT709_LIMITED
    with av.open(str(made.path)) as container:
        frame = next(container.decode(video=0))
        planes = [plane_of(frame, index) for index in range(3)]
    for index, colour in enumerate(colours):
        row, column = divmod(index, 8)
        want = bt709(colour)
        for plane, code_value, side, allowed in zip(planes, want, (32, 16, 16), (1.0, 1.5, 1.5), strict=True):
            middle = plane[row * side : (row + 1) * side, column * side : (column + 1) * side]
            middle = middle[side // 4 : -side // 4, side // 4 : -side // 4]
            assert np.abs(middle.mean() - code_value) <= allowed, (colour, middle.mean(), code_value)


def test_an_mp4_starts_with_its_index(tmp_path: Path) -> None:
    made = write(disc_film(12, 128, 96), tmp_path / "film")
    boxes = top_level_boxes(made.path)
    assert boxes.index("moov") < boxes.index("mdat")


@FORMATS
def test_metadata_is_one_json_value(tmp_path: Path, output_format: str) -> None:
    said = {"model": "rushes/mini", "seed": 7, "native": {"width": 288}, "title": "Bär"}
    made = write(disc_film(2, 64, 48), tmp_path / "film", output_format=output_format, metadata=said)
    comment = probe(made.path).comment
    assert comment is not None
    assert json.loads(comment) == said


@FORMATS
def test_the_reported_size_and_hash_are_those_of_the_file(tmp_path: Path, output_format: str) -> None:
    made = write(disc_film(5, 64, 48), tmp_path / "film", output_format=output_format)
    data = made.path.read_bytes()
    assert (made.size_bytes, made.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@FORMATS
def test_nothing_is_printed(tmp_path: Path, output_format: str, capfd: pytest.CaptureFixture[str]) -> None:
    write(disc_film(5, 64, 48), tmp_path / "film", output_format=output_format, audio=tone(0.3))
    assert capfd.readouterr() == ("", "")


@FORMATS
def test_frames_are_taken_one_at_a_time_and_let_go(tmp_path: Path, output_format: str) -> None:
    alive: list[weakref.ref[Frames]] = []
    most_alive = 0

    def frames() -> Iterator[Frames]:
        nonlocal most_alive
        for _ in range(60):
            frame = np.zeros((48, 64, 3), dtype=np.uint8)
            alive.append(weakref.ref(frame))
            most_alive = max(most_alive, sum(kept() is not None for kept in alive))
            yield frame

    write(frames(), tmp_path / "film", width=64, height=48, num_frames=60, output_format=output_format)
    assert most_alive <= 3


@FORMATS
@pytest.mark.parametrize(
    ("given", "words"), [(0, "made 0 frames of the 10"), (9, "made 9"), (11, "more frames than the 10")]
)
def test_a_wrong_number_of_frames_fails_and_leaves_nothing(
    tmp_path: Path, output_format: str, given: int, words: str
) -> None:
    frames = iter([np.zeros((48, 64, 3), dtype=np.uint8)] * given)
    with pytest.raises(GenerationFailed, match=words):
        write(frames, tmp_path / "film", width=64, height=48, num_frames=10, output_format=output_format)
    assert list(tmp_path.iterdir()) == []


@FORMATS
@pytest.mark.parametrize("after", [0, 1, 40])
def test_what_the_frames_raise_comes_through_and_leaves_nothing(tmp_path: Path, output_format: str, after: int) -> None:
    class Stop(BaseException):
        pass

    def frames() -> Iterator[Frames]:
        yield from disc_film(after, 64, 48) if after else ()
        raise Stop

    with pytest.raises(Stop):
        write(frames(), tmp_path / "film", width=64, height=48, num_frames=60, output_format=output_format)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_has_become_read_only_is_said_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(StorageUnavailable, match="Read-only"):
        write(disc_film(2, 64, 48), tmp_path / "film")


def test_a_failure_leaves_an_older_file_of_that_name_alone(tmp_path: Path) -> None:
    older = write(disc_film(2, 64, 48), tmp_path / "film")
    with pytest.raises(GenerationFailed):
        write(disc_film(2, 64, 48), tmp_path / "film", num_frames=3)
    assert hashlib.sha256(older.path.read_bytes()).hexdigest() == older.sha256
    assert [found.name for found in tmp_path.iterdir()] == ["film"]


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((48, 62, 3), dtype=np.uint8),
        np.zeros((48, 64), dtype=np.uint8),
        np.zeros((48, 64, 3), dtype=np.float32),
    ],
    ids=["narrow", "grey", "float"],
)
def test_frames_of_another_shape_or_type_are_refused(tmp_path: Path, frame: Frames) -> None:
    with pytest.raises(GenerationFailed, match="promised was uint8 of \\(48, 64, 3\\)"):
        write(iter([frame]), tmp_path / "film", width=64, height=48, num_frames=1)
    assert list(tmp_path.iterdir()) == []


def test_odd_sizes_are_refused_in_mp4_and_kept_in_webm(tmp_path: Path) -> None:
    film = disc_film(2, 65, 49)
    with pytest.raises(InvalidValue, match="given 65x49; allowed: even numbers"):
        write(film, tmp_path / "film")
    facts = probe(write(film, tmp_path / "film", output_format="WEBM").path)
    assert (facts.width, facts.height) == (65, 49)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"output_format: .* given AVI; allowed: MP4, WEBM"):
        write(disc_film(2, 64, 48), tmp_path / "film", output_format="AVI")


def tone(seconds: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    t = np.arange(round(seconds * 48_000)) / 48_000
    return np.stack([0.4 * np.sin(2 * np.pi * 440 * t), 0.4 * np.sin(2 * np.pi * 660 * t)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("output_format", "codec", "duration_within_s"), [("MP4", "aac", 1e-3), ("WEBM", "opus", 10e-3)]
)
@pytest.mark.parametrize("sound_s", [0.0, 0.5, 1.0, 3.0])
def test_sound_is_cut_or_padded_to_the_picture(
    tmp_path: Path, output_format: str, codec: str, duration_within_s: float, sound_s: float
) -> None:
    made = write(disc_film(25, 64, 48), tmp_path / "film", fps=25, output_format=output_format, audio=tone(sound_s))
    facts = probe(made.path)
    assert made.has_audio
    assert facts.audio is not None
    assert (facts.audio.codec, facts.audio.sample_rate, facts.audio.channels) == (codec, 48_000, 2)
    assert 48_000 <= facts.audio.num_samples <= 48_000 + 1024
    assert facts.duration_s == pytest.approx(1.0, abs=duration_within_s)
    assert facts.num_frames == 25


@FORMATS
def test_sound_is_heard_as_it_was_given(tmp_path: Path, output_format: str) -> None:
    given = tone(1.0)
    made = write(disc_film(24, 64, 48), tmp_path / "film", output_format=output_format, audio=given)
    with av.open(str(made.path)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[:, :48_000]
    assert heard.shape == (2, 48_000)
    for channel in range(2):
        assert np.corrcoef(heard[channel], given[:, channel])[0, 1] > 0.99


@pytest.mark.parametrize(
    "audio", [np.zeros(480, np.float32), np.full((480, 2), np.nan, np.float32)], ids=["mono", "nan"]
)
def test_sound_that_is_not_stereo_numbers_is_refused(tmp_path: Path, audio: np.ndarray) -> None:
    with pytest.raises(GenerationFailed, match="sound must be finite"):
        write(disc_film(2, 64, 48), tmp_path / "film", audio=audio)
    assert list(tmp_path.iterdir()) == []
