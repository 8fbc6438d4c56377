"""Which techniques a model runs with here. Each says how near it stays to the plain computation:

exact   the same bytes
near    other roundings of the same numbers
lossy   other numbers, with a measured difference
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rushes.acceleration.trial import fp8_pays
from rushes.catalogue.card import Card
from rushes.contract.request import EXACT_QUALITY, FAST_QUALITY, HIGH_QUALITY, Note
from rushes.models.parts import FP8, INT8, How

EXACT, NEAR, LOSSY = "exact", "near", "lossy"
ALLOWED = {EXACT_QUALITY: (EXACT,), HIGH_QUALITY: (EXACT, NEAR), FAST_QUALITY: (EXACT, NEAR, LOSSY)}
"""What a request's `quality` lets a plan do, be it for time or for memory."""

REUSE = 0.06
"""The share of its size by which a velocity may have drifted before it is computed again."""


@dataclass(frozen=True, slots=True)
class Technique:
    name: str
    exactness: str
    said: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A way to need less memory. `helps` are the stages that it makes smaller, `change` what it changes in `How`.

    It holds for plans in which that is a change; one technique of theirs it may take the place of.
    """

    technique: Technique
    helps: frozenset[str]
    change: Mapping[str, Any]
    devices: tuple[str, ...] = ("cuda", "cpu")
    instead: Technique | None = None


PASSES = Technique("passes", EXACT, "guidance in two passes of one prompt")
TOGETHER = Technique("together", NEAR, "guidance in one pass of two prompts")

IN_FP8 = Rung(
    Technique("fp8", LOSSY, "the transformer's matrices multiplied in eight-bit floats"),
    frozenset({"steps"}),
    {"matrices": FP8},
)
"""Taken for time, not for memory, which it halves as well: what has it is on no rung of eight bits any more."""

EVERYWHERE = frozenset({"words", "pictures", "steps", "decoding"})
LADDER = (
    Rung(PASSES, frozenset({"steps"}), {"together": False}, instead=TOGETHER),  # first: it costs least
    Rung(
        Technique("apart", EXACT, "parts of the model loaded one at a time, when their turn comes"),
        EVERYWHERE,
        {"apart": True},
    ),
    Rung(
        Technique("layers", EXACT, "the text encoder's layers visit the device one at a time"),
        frozenset({"words"}),
        {"apart": True, "layers": True},
        devices=("cuda",),  # a CPU has no other memory to keep them in
    ),
    Rung(
        Technique(INT8, LOSSY, "the transformer's matrices in eight bits"),
        frozenset({"steps"}),
        {"matrices": INT8},  # before blocks that visit: it costs a clip no time, and who asks for fast has little
    ),
    Rung(
        Technique("blocks", EXACT, "the transformer's blocks visit the device one at a time"),
        frozenset({"steps"}),
        {"apart": True, "blocks": True},
        devices=("cuda",),
    ),
    Rung(
        Technique("tiles", LOSSY, "decoding by overlapping tiles"),
        frozenset({"decoding"}),
        {"tiles": True},
    ),
    Rung(
        Technique("pieces", NEAR, "attention's projections and the feed-forward in 8 pieces of the clip"),
        frozenset({"steps"}),
        {"pieces": 8},
    ),
)
"""What is tried where memory does not suffice, in this order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is put on a model for one clip. `device` is "cuda" or "cpu"; of `ladder` all rungs hold for its family."""

    device: str
    quality: str
    how: How
    techniques: tuple[Technique, ...]
    ladder: tuple[Rung, ...] = LADDER
    tried: tuple[Technique, ...] = ()
    """The rungs that it was taken down, in the ladder's order."""

    @property
    def exactness(self) -> str:
        """The least exact of its techniques."""
        return max((technique.exactness for technique in self.techniques), key=(EXACT, NEAR, LOSSY).index)

    def lowered(self, stage: str) -> Plan | None:
        """The plan one rung down the ladder that needs less memory in `stage`; None where none is left or allowed."""
        for rung in self.ladder:
            lower = self.on(rung)
            helps = self.device in rung.devices and stage in rung.helps and lower.how != self.how
            if helps and rung.technique.exactness in ALLOWED[self.quality]:
                return lower
        return None

    def on(self, rung: Rung) -> Plan:
        """The plan with what `rung` changes."""
        kept = tuple(technique for technique in self.techniques if technique != rung.instead)
        tried = tuple(one.technique for one in LADDER if one.technique in (*self.tried, rung.technique))
        how = replace(self.how, **rung.change)
        return replace(self, how=how, techniques=(*kept, rung.technique), tried=tried)

    def said(self) -> str:
        """In one line, as on the job and in `rushes doctor`."""
        techniques = "; ".join(f"{technique.said} ({technique.exactness})" for technique in self.techniques)
        return f"{self.exactness}, on {self.device}: {techniques}"

    def notes(self) -> tuple[Note, ...]:
        return (Note("made", "plan", self.said()),)


def planned(
    card: Card,
    device: str,
    quality: str = EXACT_QUALITY,
    *,
    changed: bool = False,
    fp8: Callable[[str], bool] = fp8_pays,
) -> Plan | None:
    """The plan for the model of `card`; None for one that comes with the package, and needs none.

    `changed` whether LoRAs change its layers: each set of them would be compiled anew, and after eight torch refuses.
    `fp8` says of the device whether products in eight-bit floats are faster on it; asked where the plan may have them.
    """
    if card.weights is None:
        return None
    how, holds = How(), card.weights.holds
    precision = "float32" if device == "cpu" else card.weights.precision
    techniques = [
        Technique("attention", EXACT, f"attention by torch's own kernel ({how.attention}), set on every network"),
        Technique("precision", EXACT, f"computed in {precision}, as published"),
        *(Technique("family", EXACT, said) for said in card.weights.exactly),
    ]
    if holds(TOGETHER.name):
        how = replace(how, together=NEAR in ALLOWED[quality])
        techniques.append(TOGETHER if how.together else PASSES)
    quick = NEAR in ALLOWED[quality] and device == "cuda"  # on a CPU compiling costs more than a clip gains
    if quick and not changed and holds("compile"):
        how = replace(how, compiled=True)
        techniques.append(Technique("compile", NEAR, "the transformer's repeated blocks compiled"))
    if LOSSY in ALLOWED[quality] and holds("reuse"):
        how = replace(how, reuse=REUSE)
        said = f"steps whose velocity drifts less than {REUSE:.0%} take the one before"
        techniques.append(Technique("reuse", LOSSY, said))
    ladder = tuple(rung for rung in LADDER if holds(rung.technique.name))
    plan = Plan(device, quality, how, tuple(techniques), ladder)
    if LOSSY in ALLOWED[quality] and holds(IN_FP8.technique.name) and fp8(device):
        ladder = tuple(rung for rung in ladder if rung.technique.name != INT8)
        plan = replace(plan.on(IN_FP8), ladder=ladder)
    return plan
