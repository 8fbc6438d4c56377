"""When a clip's frames are shown, by the tables of the file: to the frame what its decoder finds."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
from foreign_cases import corners, film, tone

from rushes.media.decode import decode_video
from rushes.media.sniff import sniff
from rushes.media.stated import stated
from rushes.media.timetable import MOST_ENTRIES, Times, native_count

LOOKS = [np.roll(corners(64, 32), step, axis=1) for step in range(30)]
UNEVEN_MS = [0, 10, 50, 90, 400, 410, 420, 900, 1000, 2000]
AHEAD = {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}
"""Frames to predict others from, which are never shown."""
FRAGMENTS = ("frag_keyframe+empty_moov", "frag_every_frame+empty_moov", "cmaf", "dash+empty_moov")


def times(data: bytes) -> Times | None:
    return stated(data, sniff(data)).times_s


def cut(container: str) -> bytes:
    """From half a second on, not encoded anew: what stands before is there, and not shown."""
    file = BytesIO()
    with av.open(BytesIO(film(LOOKS))) as given, av.open(file, "w", format=container) as made:
        source = given.streams.video[0]
        assert source.time_base is not None
        stream, late = made.add_stream_from_template(source), round(0.5 / source.time_base)
        for packet in given.demux(source):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - late, packet.dts - late, stream
                made.mux(packet)
    return file.getvalue()


MADE: dict[str, Callable[[], bytes]] = {
    "frames that look ahead": lambda: film(LOOKS, options={"bf": "3"}),
    "frames that do not": lambda: film(LOOKS, options={"bf": "0"}),
    "quicktime": lambda: film(LOOKS, "mov"),
    "mpeg-4": lambda: film(LOOKS, "mp4", "mpeg4", options={"bf": "2"}),
    "uneven": lambda: film(LOOKS[:10], times_ms=UNEVEN_MS),
    "uneven, in matroska": lambda: film(LOOKS[:10], "matroska", times_ms=UNEVEN_MS),
    "begun late": lambda: film(LOOKS[:10], times_ms=[500 + 40 * step for step in range(10)]),
    "with a longer sound": lambda: film(LOOKS[:10], sound=tone(3.0)),
    "with a longer sound, in matroska": lambda: film(LOOKS[:10], "matroska", sound=tone(3.0)),
    "hidden frames in vp8": lambda: film(LOOKS, "webm", "libvpx", options=AHEAD),
    "hidden frames in vp9": lambda: film(LOOKS, "webm", "libvpx-vp9", options=AHEAD),
    "while it is recorded": lambda: film(LOOKS, "webm", "libvpx-vp9", options=AHEAD, container_options={"live": "1"}),
    "cut": lambda: cut("mp4"),
    "cut, in matroska": lambda: cut("matroska"),
    "a single frame": lambda: film(LOOKS[:1]),
    **{
        f"{how}, {name}": lambda how=how, more=more: film(**more, container_options={"movflags": how})
        for how in FRAGMENTS
        for name, more in {
            "ahead": {"frames": LOOKS, "options": {"g": "10", "bf": "3"}},
            "uneven": {"frames": LOOKS[:10], "times_ms": UNEVEN_MS},
        }.items()
    },
    "fragments with a sound": lambda: film(LOOKS, container_options={"movflags": FRAGMENTS[0]}, sound=tone(3.0)),
}


@pytest.mark.parametrize("how", MADE)
def test_the_tables_say_to_the_frame_what_a_decoder_finds(how: str) -> None:
    data = MADE[how]()
    assert times(data) == pytest.approx(decode_video(data).times_s.tolist(), abs=1e-9)


def test_what_is_cut_off_before_its_beginning_does_not_count() -> None:
    assert len(times(cut("mp4")) or ()) == 17


def test_what_is_partly_in_fragments_or_cut_short_is_not_known() -> None:
    assert times(film(LOOKS, container_options={"movflags": "frag_keyframe"})) is None
    assert times(film(LOOKS, container_options={"movflags": FRAGMENTS[0]})[:-1]) is None
    for container in ("mp4", "matroska"):
        data = film(LOOKS, container)
        header = data.index(b"moov") - 4 if container == "mp4" else 0
        begin = int.from_bytes(data[:4], "big")
        ahead = data[:begin] + data[header:] + data[begin:header] if header else data
        assert times(ahead) is not None, "the tables may stand before what they are of"
        assert times(ahead[:-40]) is None


def changed(data: bytes, box: bytes, at: int, form: str, *values: Any) -> bytes:
    """Numbers of a box replaced, `at` bytes behind its name."""
    begin = data.index(box) + 4 + at
    new = struct.pack(form, *values)
    return data[:begin] + new + data[begin + len(new) :]


@pytest.mark.parametrize(
    ("box", "at", "form", "values"),
    [
        (b"stts", 8, ">I", (2**31,)),  # runs of more frames than anybody looks at
        (b"stts", 8, ">I", (29,)),  # of fewer than there are
        (b"stts", 4, ">I", (2**31,)),  # more runs than there are
        (b"stts", 12, ">I", (0,)),  # all at one moment: which of them is found is for the decoder to say
        (b"stsz", 8, ">I", (31,)),
        (b"elst", 4, ">I", (3,)),
        (b"elst", 16, ">I", (2 << 16,)),  # twice as fast
        (b"elst", 8, ">I", (0,)),
        (b"mdhd", 12, ">I", (0,)),
    ],
)
def test_tables_that_do_not_go_together_say_nothing(box: bytes, at: int, form: str, values: tuple[int, ...]) -> None:
    data = film(LOOKS)
    assert times(data) is not None
    assert times(changed(data, box, at, form, *values)) is None


@pytest.mark.parametrize("at", [4, 0])
def test_runs_of_more_frames_than_there_are_say_nothing(at: int) -> None:
    data = film(LOOKS, container_options={"movflags": FRAGMENTS[0]})
    assert times(changed(data, b"trun", 4, ">I", 2**31 + at)) is None


def test_a_file_of_a_million_blocks_is_given_up() -> None:
    data = film(LOOKS, "matroska", container_options={"live": "1"})
    assert times(data + b"\xec\x80" * 100) == times(data), "elements to fill a gap"
    assert times(data + b"\xec\x80" * MOST_ENTRIES) is None


@pytest.mark.parametrize(("count", "filled"), [(35, 18), (36, 18), (37, 19), (1, 1)])
def test_half_a_frame_of_the_models_own_counts_as_one(count: int, filled: int) -> None:
    for begun in (0.0, 0.1, 7.3):
        assert native_count([(begun + step / 24) - begun for step in range(count)], 12) == filled
