"""Cards for pipelines of diffusers that are called whole: written from the files of a folder, not by us.

What such a model takes is what the call of its pipeline takes. What it cannot promise is said in its description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rushes.catalogue.card import Advised, Card, Choice, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.sizes import open_sizes

LIKE = "diffusers"
"""In the place of a card's id, on what was added as the pipeline that its own files name."""

ADAPTER = "rushes.models.whole.adapter:WholeAdapter"
CHECK = "rushes.models.whole.layout:check"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the files of a folder say of the pipeline in it, as a shelf remembers it.

    kind        the class in model_index.json; `width`, `height`, `num_frames` at most, and `fps` what it was made for.
    words       whether it reads a prompt; `negative` whether a negative one has any effect.
    guidance    the default of its `guidance_scale`; None where the call takes none.
    first       "required", "optional" or "refused": a picture to begin with. `last` whether one to end with is taken.
    length_fixed  makes `num_frames` frames, no fewer. `multiple` of pixels, that its sides have to be.
    """

    kind: str
    width: int
    height: int
    fps: int
    num_frames: int
    steps: int
    guidance: float | None
    words: bool = True
    negative: bool = True
    first: str = "refused"
    last: bool = False
    length_fixed: bool = False
    multiple: int = 1
    least_steps: int = 1

    @classmethod
    def remembered(cls, said: Mapping[str, Any] | None) -> Pipeline | None:
        """Out of a shelf; None where another version wrote something else there."""
        try:
            return cls(**said) if said is not None else None
        except TypeError:
            return None

    @property
    def max_seconds(self) -> int:
        return max(1, self.num_frames // self.fps)


def card(id: str, pipeline: Pipeline, created: int, licence: str) -> Card:
    """The card of `pipeline` under `id`; folder and revision are filled in as for every model that is added."""
    return Card(
        id=id,
        display_name=id,
        adapter=ADAPTER,
        licence=licence,
        description=_described(pipeline),
        created=created,
        rules=_rules(pipeline),
        weights=Weights(
            hub="",
            layout=pipeline.kind,
            check=CHECK,
            fps=pipeline.fps,
            max_area=pipeline.width * pipeline.height,
            size_bytes=0,
            precision="bfloat16",  # all of its parts
            techniques=("apart", "layers", "blocks"),
        ),
        stepwise=False,
    )


def _described(pipeline: Pipeline) -> str:
    starts = {"required": "From a first frame", "optional": "From words, with or without a first frame"}
    return (
        f"{starts.get(pipeline.first, 'From words')}{' and a last one' if pipeline.last else ''}, "
        f"at {pipeline.width}x{pipeline.height} and {pipeline.fps} frames a second, "
        f"by diffusers' own {pipeline.kind}, called whole. It stops between two steps, not while it decodes; "
        "a clip that is broken off begins again; nothing is seen before it is done; no sound."
    )


def _rules(pipeline: Pipeline) -> Rules:
    guidance = pipeline.guidance
    places = ("first", "last") if pipeline.last else ("first",)
    pictures = MediaRule()
    if pipeline.first != "refused":
        needed = ("first",) if pipeline.first == "required" else ()
        pictures = MediaRule(len(places), places, needed=needed, max_bytes=30 * MIB)
    return Rules(
        prompt=Text("required" if pipeline.words else "refused"),
        negative_prompt=Text("optional" if pipeline.negative else "refused"),
        sizes=open_sizes(pipeline.width, pipeline.height),
        seconds=Span(1, pipeline.max_seconds, pipeline.max_seconds),
        fps=Span(8, 60, max(8, pipeline.fps)),
        steps=Span(pipeline.least_steps, 200, pipeline.steps),
        # 1 is none: most take one pass a step instead of two.
        guidance_scale=Choice((1.0,), 1.0) if guidance is None else Span(1, max(30.0, guidance), guidance),
        needs=("prompt",) if pipeline.words else ("media.frame_images",),
        media=MediaRules(frame_images=pictures),
        advised=None
        if guidance is None
        else Advised(guidance_low=1.0, guidance_high=max(10.0, guidance), guidance_too_much=max(12.0, guidance)),
    )
