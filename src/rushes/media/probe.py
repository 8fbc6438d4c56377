"""What a video file really holds: counted and measured, not read off its label."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av


@dataclass(frozen=True, slots=True)
class Colour:
    """Code points of ITU-T H.273: 1, 1, 1 is BT.709 throughout; `range` 1 is limited (16 to 235), 2 is full."""

    primaries: int
    transfer: int
    matrix: int
    range: int


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """`num_samples` are decoded samples per channel; AAC hands back up to one block more than went in."""

    codec: str
    sample_rate: int
    channels: int
    num_samples: int


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """`num_frames` is counted by decoding every frame; `duration_s` is what the container states."""

    container: str
    codec: str
    profile: str
    pix_fmt: str
    width: int
    height: int
    fps: Fraction
    num_frames: int
    duration_s: float
    colour: Colour
    comment: str | None
    audio: AudioFacts | None
    frame_times_s: tuple[float, ...] = field(repr=False)


def probe(path: Path) -> VideoFacts:
    """Decode the whole of a file that this server made and report it.

    Not for foreign files: FFmpeg chooses the demuxer here, in this process.
    Errors  FileNotFoundError, av.error.InvalidDataError, ValueError where there is no video stream.
    """
    # Every value is copied before the container closes: a stream read after that shows freed memory.
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"{path.name} holds no video stream")
        video = container.streams.video[0]
        audio = container.streams.audio[0] if container.streams.audio else None
        times_s: list[float] = []
        num_samples = 0
        for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    times_s.append(frame.time)
                elif isinstance(frame, av.AudioFrame):
                    num_samples += frame.samples
        context = video.codec_context
        return VideoFacts(
            container=container.format.name,
            codec=context.codec.canonical_name,
            profile=context.profile or "",
            pix_fmt=context.pix_fmt or "",
            width=context.width,
            height=context.height,
            fps=video.average_rate or Fraction(0),
            num_frames=len(times_s),
            frame_times_s=tuple(times_s),
            duration_s=(container.duration or 0) / 1_000_000,
            colour=Colour(
                primaries=int(context.color_primaries),
                transfer=int(context.color_trc),
                matrix=int(context.colorspace),
                range=int(context.color_range),
            ),
            comment=container.metadata.get("comment") or container.metadata.get("COMMENT"),
            audio=None
            if audio is None
            else AudioFacts(
                codec=audio.codec_context.codec.canonical_name,
                sample_rate=audio.codec_context.sample_rate,
                channels=audio.codec_context.channels,
                num_samples=num_samples,
            ),
        )
