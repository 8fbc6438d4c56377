"""Which techniques a model runs with here. Each says how near it stays to the plain computation:

exact   the same bytes
near    other roundings of the same numbers
lossy   other numbers, with a measured difference
"""

from __future__ import annotations

from dataclasses import dataclass

from rushes.catalogue.card import Card
from rushes.contract.request import Note

EXACT, NEAR, LOSSY = "exact", "near", "lossy"
ATTENTION = "native"
"""Torch's own kernel, by name: the library's default is one for the whole process, which another model may move."""


@dataclass(frozen=True, slots=True)
class Technique:
    name: str
    exactness: str
    said: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is put on a model. `device` is the kind of it: "cuda" or "cpu"."""

    device: str
    attention: str
    techniques: tuple[Technique, ...]

    @property
    def exactness(self) -> str:
        """The least exact of its techniques."""
        return max((technique.exactness for technique in self.techniques), key=(EXACT, NEAR, LOSSY).index)

    def said(self) -> str:
        """In one line, as on the job and in `rushes doctor`."""
        return f"{self.exactness}, on {self.device}: {'; '.join(technique.said for technique in self.techniques)}"

    def notes(self) -> tuple[Note, ...]:
        return (Note("made", "plan", self.said()),)


def planned(card: Card, device: str) -> Plan | None:
    """The plan for the model of `card`; None for one that comes with the package, and needs none."""
    if card.weights is None:
        return None
    precision = "float32" if device == "cpu" else "bfloat16, the autoencoder in float32"
    return Plan(
        device,
        ATTENTION,
        (
            Technique("attention", EXACT, f"attention by torch's own kernel ({ATTENTION}), set on every network"),
            Technique("precision", EXACT, f"computed in {precision}, as published"),
            Technique("guidance", EXACT, "guidance in two passes of one clip"),
            Technique("decoding", EXACT, "decoding streamed into the file, a latent frame at a time"),
        ),
    )
