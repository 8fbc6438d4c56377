"""What was asked (`VideoRequest`) and what will be made (`ResolvedRequest`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rushes.contract.media import FrameImage, Media

EXACT_QUALITY, HIGH_QUALITY, FAST_QUALITY = QUALITIES = ("exact", "high", "fast")
"""What may be traded for time: nothing; the last bits of a number; what a viewer may see."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A change of a model's weights that the operator registered under `name`, and how much of it.

    `revision` is of the files, once the request is settled: the same name may be given to others later.
    """

    name: str
    weight: float = 1.0
    revision: str = ""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One call of `videos.create`, spellings folded, types checked, limits not yet: None means not asked for."""

    model: str
    prompt: str | None = None
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    resolution: str | None = None
    ratio: str | None = None
    seconds: float | None = None
    fps: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    output_format: str | None = None
    output_quality: int | None = None
    generate_audio: bool | None = None
    quality: str | None = None
    reuse: bool | None = None
    """Whether an earlier video of the very same request will do; only one with a seed can have such a one."""
    loras: tuple[Lora, ...] | None = None
    media: Media = Media()
    webhook_url: str | None = None
    """Where to tell that the video has ended."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """Said by the door about the body itself: unknown keys, deprecated spellings."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the person should know about their request.

    `kind` is "default", "advice", "warning" or "made" (resampled, retimed).
    """

    kind: str
    field: str
    message: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """Every value settled; nothing is optional but media. This is what the job row holds and what `perform` reads."""

    model: str  # the id that was asked for, echoed to the client
    made_by: str  # the id of the card that makes it; differs only where the operator mapped a hosted id
    revision: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    seconds: float
    fps: int
    num_frames: int  # round(seconds * fps)
    steps: int
    guidance_scale: float
    seed: int
    output_format: str  # "MP4" or "WEBM"
    output_quality: int
    generate_audio: bool
    media: Media = Media()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    quality: str = EXACT_QUALITY  # rows of versions that knew no other have none
    loras: tuple[Lora, ...] = ()  # by name

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ResolvedRequest:
        media = dict(values["media"])
        media["frame_images"] = tuple(FrameImage(**image) for image in media["frame_images"])
        for name in ("frame_videos", "reference_images", "reference_videos", "audio_inputs"):
            media[name] = tuple(media[name])
        return cls(
            **{
                **values,
                "media": Media(**media),
                "notes": tuple(Note(**note) for note in values["notes"]),
                "loras": tuple(Lora(**lora) for lora in values.get("loras", ())),
            }
        )
