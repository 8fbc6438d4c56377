"""What a model can do, as data: limits and defaults have no other home."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rushes.catalogue.pace import Pace
from rushes.catalogue.sizes import Sizes
from rushes.catalogue.wording import listed, number
from rushes.contract.media import Media

SEED_HIGH = 2**31 - 1
MAX_PROMPT_CHARS = 32_000


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `low` to `high`, both allowed unless `above_low`; `high` None is any finite number.

    `default` None on a hosted id's rules: the model that makes it decides.
    """

    low: float
    high: float | None
    default: float | None = None
    above_low: bool = False

    def holds(self, value: float) -> bool:
        # Written so that NaN and both infinities are False, and integers beyond any float do not overflow.
        high = sys.float_info.max if self.high is None else self.high
        return (self.low < value if self.above_low else self.low <= value) and value <= high

    @property
    def allowed(self) -> str:
        if self.high is None:
            return f"{'more than' if self.above_low else 'at least'} {number(self.low)}"
        if self.above_low:
            return f"more than {number(self.low)}, up to {number(self.high)}"
        return f"{number(self.low)} to {number(self.high)}"

    def nearest(self, value: float) -> float | None:
        """The end of the range that `value` went past; None where there is none."""
        if self.high is not None and value > self.high:
            return self.high
        return self.low if value < self.low and not self.above_low else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few numbers; a single one is a fixed value."""

    values: tuple[float, ...]
    default: float | None = None

    def holds(self, value: float) -> bool:
        return value in self.values

    @property
    def allowed(self) -> str:
        return listed(self.values) if len(self.values) > 1 else f"{number(self.values[0])} only"

    def nearest(self, value: float) -> float | None:
        if value != value:  # NaN is near nothing
            return None
        within = min(max(value, min(self.values)), max(self.values))
        return min(self.values, key=lambda known: abs(known - within))


Limit = Span | Choice


@dataclass(frozen=True, slots=True)
class Text:
    """Whether words are "required", "optional" or "refused", and how many characters of them."""

    need: str
    min_chars: int = 1
    max_chars: int = MAX_PROMPT_CHARS

    @property
    def taken(self) -> bool:
        return self.need != "refused"

    @property
    def allowed(self) -> str:
        return f"{self.min_chars:,} to {self.max_chars:,} characters"


@dataclass(frozen=True, slots=True)
class MediaRule:
    """How many items of a media member are taken; 0 refuses it.

    `positions` matters to `frame_images` only: any of "first", "last", "any" (a frame number); `needed` are those of
    "first" and "last" without which the model makes nothing.
    `max_bytes` of one file, `min_seconds` and `max_seconds` of one clip or sound, `max_aspect` of a picture or clip,
    longer side over shorter; None is whatever this server opens.
    `whole` references come to the model in their own shape, clips with their own sound, and sounds as examples. A clip
    that is `laid_over` the film comes at the film's size and rate, from its first frame on, in whole latent frames
    (`MediaRules.pace`). Else pictures and clips of whom the film is about are squares, and a sound is the film's own.
    """

    max_items: int = 0
    positions: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    max_bytes: int | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    max_aspect: float | None = None
    whole: bool = False
    laid_over: bool = False

    def filled_by(self, other: MediaRule) -> MediaRule:
        """This rule with the sizes that it leaves open taken from `other`."""
        return replace(
            self,
            max_bytes=self.max_bytes or other.max_bytes,
            min_seconds=self.min_seconds or other.min_seconds,
            max_seconds=self.max_seconds or other.max_seconds,
            max_aspect=self.max_aspect or other.max_aspect,
            whole=other.whole,
            laid_over=other.laid_over,
        )


@dataclass(frozen=True, slots=True)
class MediaRules:
    """One rule per member of `contract.media.Media`, same names; `apart` are pairs that do not go together.

    `beside` are members that go only with one of others: (member, others). `most` items of all members together.
    `pace` is that of the model's own frames, over which keyframes and clips are laid: two keyframes cannot share one.
    None where only its files say; a hosted id has none.
    """

    frame_images: MediaRule = MediaRule()
    frame_videos: MediaRule = MediaRule()
    reference_images: MediaRule = MediaRule()
    reference_videos: MediaRule = MediaRule()
    source_video: MediaRule = MediaRule()
    audio_inputs: MediaRule = MediaRule()
    apart: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, tuple[str, ...]], ...] = ()
    most: int | None = None
    pace: Pace | None = None

    def of(self, name: str) -> MediaRule:
        rule: MediaRule = getattr(self, name)
        return rule

    def taken(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(Media) if self.of(f.name).max_items)

    def filled_by(self, other: MediaRules) -> MediaRules:
        """These rules with the sizes that they leave open taken from `other`."""
        filled: dict[str, Any] = {name: self.of(name).filled_by(other.of(name)) for name in self.taken()}
        return replace(self, **filled)


@dataclass(frozen=True, slots=True)
class Advised:
    """Where a model does well, which is narrower than what it takes. The defaults are the general parameter page's."""

    guidance_low: float = 6.0
    guidance_high: float = 10.0
    guidance_too_much: float = 12.0
    production_steps: int = 20  # below it is a preview
    fine_steps: int = 30  # what to raise steps to for production
    most_steps: int = 50  # diminishing returns past it
    prompt_chars: int = 2_000  # what the text encoder can make use of
    negative_prompt: str = "blurry, low quality, distorted, flickering"  # to start from where something unwanted shows


@dataclass(frozen=True, slots=True)
class AddedLora:
    """A change of the weights that the operator registered. `files` are paths, by the network that each changes.

    `reads` is the media member that it was taught to look at, a clip beside the film, so many times smaller each way as
    `shrunk` says; None where it was taught by films alone.
    """

    name: str
    revision: str
    files: Mapping[str, str] = field(default_factory=dict)
    reads: str | None = None
    shrunk: int = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything `resolve` needs to know of a model or of a hosted id."""

    prompt: Text
    negative_prompt: Text
    sizes: Sizes
    seconds: Limit
    fps: Limit
    steps: Limit
    guidance_scale: Limit
    seed: Span = Span(0, SEED_HIGH)
    output_formats: tuple[str, ...] = ("MP4", "WEBM")  # the first is the default
    output_quality: Span = Span(0, 51, 20)  # H.264's quantiser scale; lower is better and larger
    generate_audio: bool = False
    qualities: tuple[str, ...] = ("exact",)  # the first is the default
    loras: tuple[AddedLora, ...] = ()
    lora_weight: Span = Span(-4, 4, 1)  # beyond it the pictures are noise
    media: MediaRules = MediaRules()
    lora_media: Mapping[str, MediaRule] = field(default_factory=dict)
    """Members of media that the model looks at by a LoRA alone: taken where one that reads them is registered."""
    needs: tuple[str, ...] = ()
    """Field paths of which at least one must be given, e.g. ("prompt", "media.frame_images")."""
    advised: Advised | None = None

    def distilled(self, steps: int) -> Rules:
        """The same of a model that was taught to do with `steps`, no more and no fewer, and without guidance."""
        return replace(
            self,
            negative_prompt=Text("refused"),
            steps=Choice((steps,), steps),
            guidance_scale=Choice((1,), 1),
            advised=Advised(
                guidance_low=1,
                guidance_high=1,
                production_steps=steps,
                fine_steps=steps,
                most_steps=steps,
                prompt_chars=(self.advised or Advised()).prompt_chars,
            ),
        )

    def with_loras(self, loras: Sequence[AddedLora]) -> Rules:
        """The same where `loras` are registered."""
        read: dict[str, Any] = {
            member: rule for member, rule in self.lora_media.items() if any(lora.reads == member for lora in loras)
        }
        return replace(self, loras=tuple(loras), media=replace(self.media, **read))

    def takes(self, field: str) -> bool:
        """Whether the model takes `field` (a path such as "media.frame_images") at all."""
        if field.startswith("media."):
            return field.removeprefix("media.") in self.media.taken()
        if field in ("prompt", "negative_prompt"):
            text: Text = getattr(self, field)
            return text.taken
        if field in ("width", "height"):
            return self.sizes.takes_pixels
        if field in ("resolution", "ratio"):
            return self.sizes.tiers is not None
        if field == "loras":
            return bool(self.loras)
        return self.generate_audio if field == "generate_audio" else True

    def filled_by(self, card_rules: Rules) -> Rules:
        """These rules with what they leave to the model taken from it: defaults, advice, sizes of files, LoRAs.

        Not those that look at what these rules do not take.
        """
        return replace(
            self,
            steps=_with_default(self.steps, card_rules.steps),
            guidance_scale=_with_default(self.guidance_scale, card_rules.guidance_scale),
            advised=self.advised or card_rules.advised,
            qualities=card_rules.qualities,  # no hosted model has such a choice
            loras=tuple(lora for lora in card_rules.loras if lora.reads in (None, *self.media.taken())),
            lora_media=card_rules.lora_media,
            media=self.media.filled_by(card_rules.media),
        )


def _with_default(limit: Limit, other: Limit) -> Limit:
    return limit if limit.default is not None else replace(limit, default=other.default)


@dataclass(frozen=True, slots=True)
class Weights:
    """A checkpoint that does not come with the package, and what its makers trained it on.

    hub       where it is published; `commit` one of its commits that was seen to be this; `folder` where it lies on
              this machine, None until somebody adds it.
    layout    what its family calls this arrangement of parts; `check` is the dotted name of the family's function
              `(folder, layout) -> None`, which raises WrongSetup where a folder is another. Imports no tensor library.
    max_area  the most pixels of a frame that it makes well; what is asked beyond is made smaller, and scaled.
    counted   where `size_bytes` is from, in words; None is a guess by the number of its weights.
    experts_guidance  what the second of two experts takes of the asked guidance.
    loras     what its family calls the layers that a LoRA may change: the dotted name of a function
              `(folder) -> dict[str, Layers]` (`weights.lora`); None where none is taken. Imports no tensor library.
    aside     parts in its folder that belong to another card: neither fetched nor hashed.
    refiner   the name of the LoRA that its second stage wears; without it, what takes one is refused: more pixels than
              `max_area`. None where the checkpoint itself makes whatever stages it has.
    always_refined  every step wears it, at a weight of 1: without it all is refused.
    refiner_files   the options of `rushes models add-lora` by which its files are given, all of them.
    shift     its steps begin at evenly spaced levels of noise, shifted by this, and follow Euler's method; None is what
              the scheduler in its folder says.
    exactly   how its family works where others may work otherwise, for the plan to say; none of it costs exactness.
    precision  of its numbers on an accelerator, for the plan to say; on a CPU it is float32.
    techniques  of a plan's techniques for time and memory those that hold for its family, by name; None is all of them.
    """

    hub: str
    layout: str
    check: str
    fps: int
    max_area: int
    size_bytes: int  # of the download; an estimate unless it was `counted`
    counted: str | None = None
    commit: str | None = None
    experts_guidance: float = 1.0
    exactly: tuple[str, ...] = ()
    precision: str = "bfloat16, the autoencoder in float32"
    techniques: tuple[str, ...] | None = None
    loras: str | None = None
    aside: tuple[str, ...] = ()
    refiner: str | None = None
    always_refined: bool = False
    refiner_files: tuple[str, ...] = ("--from",)
    shift: float | None = None
    folder: str | None = None

    def holds(self, technique: str) -> bool:
        """Whether a plan's technique of that name holds for its family."""
        return self.techniques is None or technique in self.techniques


@dataclass(frozen=True, slots=True)
class Card:
    """A model that is really here. `adapter` is the dotted name `package.module:Class` that the engine loads.

    With `weights`, the class is called with the card, and finds its folder there; without, with nothing.

    `remarks` is the dotted name of a function `(prompt) -> tuple[Note, ...]`, for a model that can say before it works
    what it makes of a prompt or a negative one. Whoever accepts a request calls it, so it imports no tensor library and
    is quick.
    """

    id: str
    display_name: str
    description: str
    rules: Rules
    adapter: str
    licence: str
    created: int  # Unix seconds, for the models list
    revision: str = "not here"  # what is added has the revision of its files
    remarks: str | None = None
    weights: Weights | None = None
    stepwise: bool = True
    """Whether what lies between two steps can be saved and looked at. Else a clip that is broken off begins again."""

    def in_folder(self, folder: Path | str) -> Card:
        """The same one with its weights in `folder`. Errors  ValueError where it has none that could lie anywhere."""
        if self.weights is None:
            raise ValueError(f"{self.id} comes with the package")
        return replace(self, weights=replace(self.weights, folder=str(folder)))
