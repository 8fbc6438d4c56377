"""Inside the decode child: how PyAV is made to open the one format that was sniffed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
from av.container import InputContainer

from rushes.media.limits import MAX_STREAMS
from rushes.media.sniff import Kind

DEMUXERS = {Kind.MP4: "mov", Kind.MATROSKA: "matroska", Kind.WAV: "wav", Kind.MP3: "mp3"}

FAMILIES = {Kind.MP4: "mov,mp4,m4a,3gp,3g2,mj2", Kind.MATROSKA: "matroska,webm", Kind.WAV: "wav", Kind.MP3: "mp3"}
"""FFmpeg's own names, all of which a forced demuxer goes by."""

PICTURE_CODECS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "mjpeg")
TRACK_CODECS = ("aac", "mp3float", "mp3", "opus", "libopus", "vorbis", "flac")
PCM_CODECS = tuple(
    f"pcm_{name}"
    for name in ("u8", "s16le", "s24le", "s32le", "f32le", "f64le", "s16be", "s24be", "s32be", "f32be", "alaw", "mulaw")
)

PROBING = {
    Kind.MP4: (*PICTURE_CODECS, *TRACK_CODECS, *PCM_CODECS),
    Kind.MATROSKA: (*PICTURE_CODECS, *TRACK_CODECS, *PCM_CODECS),
    Kind.WAV: PCM_CODECS,
    Kind.MP3: ("mp3float", "mp3"),
}
"""Decoders that may run while FFmpeg looks at the streams. The list does not hold for what is decoded afterwards: there
the codec's name is checked."""


class Denied(Exception):
    """A file asked for another one."""


def deny(*_asked: Any, **_named: Any) -> Any:
    raise Denied


@contextmanager
def opened(file: Any, kind: Kind) -> Iterator[InputContainer]:
    """`file` is any readable and seekable object without a name: a name would tell FFmpeg what to guess.

    Every value of a stream is to be read inside the block: afterwards it is freed memory.
    Errors  anything that PyAV raises.
    """
    container = av.open(
        file,
        mode="r",
        format=DEMUXERS[kind],
        io_open=deny,
        container_options={
            "format_whitelist": FAMILIES[kind],
            "protocol_whitelist": "none",
            "codec_whitelist": ",".join(PROBING[kind]),
            "probesize": "5000000",
            "analyzeduration": "5000000",
            "max_streams": str(MAX_STREAMS),
        },
    )
    try:
        yield container
    finally:
        container.close()
