"""What a request brings along: images, clips and sound, as references not yet fetched."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class FrameImage:
    """A keyframe: `source` is a URL, a data URL or bare base64; `frame` is "first", "last", a frame number or None."""

    source: str
    frame: str | int | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """All media of one request; clips, references and sound are sources like `FrameImage.source`."""

    frame_images: tuple[FrameImage, ...] = ()
    frame_videos: tuple[str, ...] = ()
    reference_images: tuple[str, ...] = ()
    reference_videos: tuple[str, ...] = ()
    source_video: str | None = None
    audio_inputs: tuple[str, ...] = ()

    def given(self) -> tuple[str, ...]:
        """Names of the members that hold something, in the contract's order."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name))
