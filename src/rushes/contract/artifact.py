"""What came out: the file, its facts, and what the model made before it was fitted to the asked shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rushes.contract.request import Note

LEAST_LOSS_SHOWN = 0.005  # of a side; half a percent rounds to one, and less is a row or two of pixels


@dataclass(frozen=True, slots=True)
class Native:
    """What the model itself made, before resampling and retiming. `how` in words, where it took two stages."""

    width: int
    height: int
    fps: float
    num_frames: int
    how: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished file in storage. `key` is the storage key; `sha256` is of the whole file.

    `inputs` says what was done to the files that the request brought along, and by which plan a model with weights of
    its own was run: notes of kind "made".
    """

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
    inputs: tuple[Note, ...] = ()

    def changes(self) -> tuple[Note, ...]:
        """What was done to what came in, and to the model's own frames to give the asked size and rate, in words.

        Notes of kind "made".
        """
        notes, native = list(self.inputs), self.native
        if native.how:
            notes.append(Note("made", "width", native.how))
        if (native.width, native.height) != (self.width, self.height):
            scaled = f"made at {native.width}×{native.height}; scaled to {self.width}×{self.height}{self._cut_off()}"
            notes.append(Note("made", "width", scaled))
        if native.fps != self.fps:
            notes.append(Note("made", "fps", f"made at {native.fps:g} fps; retimed to {self.fps} fps"))
        return tuple(notes)

    def _cut_off(self) -> str:
        """Frames are scaled until they cover the asked size; another shape loses both ends of one side."""
        across, down = self.width / self.native.width, self.height / self.native.height
        lost = 1 - min(across, down) / max(across, down)
        side = "height" if across > down else "width"
        return f", which cuts off {lost:.0%} of the {side}" if lost >= LEAST_LOSS_SHOWN else ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Artifact:
        inputs = tuple(Note(**note) for note in values.get("inputs", ()))
        return cls(**{**values, "native": Native(**values["native"]), "inputs": inputs})
