"""What a request brings along: images, clips and sound, as references not yet opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class FrameImage:
    """A keyframe: `source` is a URL, a data URL or bare base64; `frame` is "first", "last", a frame number or None.

    Once a job is accepted, `source` says where the bytes are kept (`intake`), and `frame` is a number.
    """

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

    def items(self) -> Iterator[tuple[str, str, str]]:
        """(member, path, source) of everything given: ("frame_images", "media.frame_images[0]", "https://…")."""
        for name in self.given():
            if name == "source_video":
                yield name, f"media.{name}", self.source_video or ""
                continue
            for index, item in enumerate(getattr(self, name)):
                yield name, f"media.{name}[{index}]", item.source if isinstance(item, FrameImage) else item

    def with_sources(self, change: Callable[[str, str, str], str]) -> Media:
        """The same media, each source replaced by what `change(member, path, source)` gives for it, in order."""
        changed = {path: change(name, path, source) for name, path, source in self.items()}

        def of(name: str) -> tuple[str, ...]:
            return tuple(changed[f"media.{name}[{index}]"] for index in range(len(getattr(self, name))))

        return Media(
            frame_images=tuple(
                replace(image, source=source)
                for image, source in zip(self.frame_images, of("frame_images"), strict=True)
            ),
            frame_videos=of("frame_videos"),
            reference_images=of("reference_images"),
            reference_videos=of("reference_videos"),
            source_video=changed.get("media.source_video", self.source_video),
            audio_inputs=of("audio_inputs"),
        )
