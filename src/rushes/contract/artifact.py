"""What came out: the file, its facts, and what the model made before it was fitted to the asked shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Native:
    """What the model itself made, before resampling and retiming."""

    width: int
    height: int
    fps: float
    num_frames: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished file in storage. `key` is the storage key; `sha256` is of the whole file."""

    key: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: int
    num_frames: int
    has_audio: bool
    native: Native

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Artifact:
        return cls(**{**values, "native": Native(**values["native"])})
