"""What someone who knows the parameters would say of a request: the parameter page's quick reference, as notes.

Advice never changes a value. What is wrong is refused in `resolve`; what is merely unwise is said here.
"""

from __future__ import annotations

from collections.abc import Iterator

from rushes.catalogue.card import Advised, Rules
from rushes.catalogue.motion import speaks_of_motion
from rushes.catalogue.wording import number
from rushes.contract.request import Note, ResolvedRequest, VideoRequest

_QUALITY_LARGE = 12  # H.264 below this keeps differences nobody sees
_QUALITY_POOR = 35  # and above this shows blocks in flat skies
_FEW_WORDS = 4
_SMOOTH_FPS = 30
_LONG_SECONDS = 8


def advise(request: VideoRequest, resolved: ResolvedRequest, rules: Rules) -> tuple[Note, ...]:
    """Notes of kind "advice" on a settled request, each with the field and, where there is one, what to send instead.

    `rules` are those of the asked id, filled by the card's (`Rules.filled_by`): a model's own sweet spot goes
    before the general page's.
    """
    advised = rules.advised or Advised()
    return (
        *_on_prompt(resolved, advised),
        *_on_negative_prompt(request, resolved, advised, rules),
        *_on_size(request),
        *_on_length(resolved),
        *_on_steps(resolved, advised, rules),
        *_on_guidance(resolved, advised),
        *_on_file(resolved),
    )


def _advice(field: str, message: str, suggestion: str | None = None) -> Note:
    return Note("advice", field, message, suggestion)


def _on_prompt(resolved: ResolvedRequest, advised: Advised) -> Iterator[Note]:
    prompt = resolved.prompt
    if not prompt:
        return
    moving = speaks_of_motion(prompt)
    if moving is False:
        yield _advice(
            "prompt",
            "no word of motion was found; without one, video models make generic motion",
            'say what moves and how the camera moves, such as "runs along the beach, the camera tracks left"',
        )
    elif moving and len(prompt.split()) < _FEW_WORDS:
        yield _advice(
            "prompt",
            "a short prompt leaves most of the video to chance",
            "name subject, action, setting, camera movement and pacing",
        )
    if len(prompt) > advised.prompt_chars:
        yield _advice(
            "prompt",
            f"{len(prompt):,} characters are more than this model makes use of",
            f"put what matters into the first {advised.prompt_chars:,}",
        )


def _on_negative_prompt(
    request: VideoRequest, resolved: ResolvedRequest, advised: Advised, rules: Rules
) -> Iterator[Note]:
    if not rules.takes("negative_prompt"):
        return
    if request.negative_prompt == "":
        yield _advice(
            "negative_prompt",
            "an empty negative prompt excludes nothing",
            f'name what to avoid, such as "{advised.negative_prompt}"',
        )
    elif resolved.negative_prompt and resolved.negative_prompt.strip() == resolved.prompt.strip():
        yield _advice(
            "negative_prompt",
            "it is the same as the prompt, so guidance has nothing to pull towards",
            f'name what to avoid, such as "{advised.negative_prompt}"',
        )
    elif resolved.negative_prompt.lower().lstrip().startswith(("no ", "don't ", "do not ", "without ", "avoid ")):
        yield _advice(
            "negative_prompt",
            "it names what to avoid, so a negation in it asks for the opposite",
            'name the thing alone: "rain" rather than "no rain"',
        )
    elif resolved.negative_prompt and resolved.guidance_scale <= 1:
        yield _advice(
            "guidance_scale", "at 1 or below the negative prompt pulls the wrong way or not at all", "raise it above 1"
        )


def _on_size(request: VideoRequest) -> Iterator[Note]:
    if request.width is not None and (request.resolution is not None or request.ratio is not None):
        yield _advice(
            "resolution" if request.resolution is not None else "ratio",
            "the size was said in two ways; they agree, so nothing is lost",
            "send width and height, or resolution and ratio, not both",
        )


def _on_length(resolved: ResolvedRequest) -> Iterator[Note]:
    if resolved.fps > _SMOOTH_FPS:
        yield _advice(
            "fps",
            f"{resolved.fps} frames per second are smoother and cost time and file size",
            "24 is enough for most uses",
        )


def _on_steps(resolved: ResolvedRequest, advised: Advised, rules: Rules) -> Iterator[Note]:
    steps = resolved.steps
    if steps > advised.most_steps:
        yield _advice(
            "steps",
            f"past {advised.most_steps} steps the time grows and the quality hardly does",
            f"{advised.fine_steps} to 40 for production",
        )
    elif steps < advised.production_steps:
        yield _advice(
            "steps",
            f"{steps} steps make a quick preview",
            f"raise to {advised.production_steps} for a balance, or {advised.fine_steps} to 40 for production",
        )
    elif steps > advised.fine_steps and resolved.seconds >= _LONG_SECONDS:
        yield _advice(
            "steps",
            "many steps on a long clip take the longest there is; time grows with both",
            f"while iterating, {number(rules.steps.nearest(0) or advised.production_steps)} steps and fewer seconds",
        )


def _on_guidance(resolved: ResolvedRequest, advised: Advised) -> Iterator[Note]:
    guidance = resolved.guidance_scale
    low, high = number(advised.guidance_low), number(advised.guidance_high)
    if guidance > advised.guidance_too_much:
        yield _advice(
            "guidance_scale",
            f"above {number(advised.guidance_too_much)} colours oversaturate and motion turns unnatural",
            f"this model does best at {low} to {high}",
        )
    elif guidance > advised.guidance_high:
        yield _advice(
            "guidance_scale",
            f"above this model's range of {low} to {high}: strict to the words, at the cost of natural motion",
            f"lower it to {high} if colours oversaturate",
        )
    elif guidance < advised.guidance_low:
        yield _advice(
            "guidance_scale",
            f"below this model's range of {low} to {high}: more its own idea than your words",
            f"raise it to {low} or more if the video does not match the prompt",
        )


def _on_file(resolved: ResolvedRequest) -> Iterator[Note]:
    if resolved.output_quality >= _QUALITY_POOR:
        yield _advice(
            "output_quality",
            f"{resolved.output_quality} compresses so much that it shows; lower values are better and larger",
            "20 is the default",
        )
    elif resolved.output_quality <= _QUALITY_LARGE:
        yield _advice(
            "output_quality",
            f"{resolved.output_quality} makes a large file, mostly of detail that is hard to see",
            "20 is the default; raise it if the file is too large",
        )
    if resolved.output_format == "WEBM":
        yield _advice(
            "output_format", "WEBM files are smaller, but not every player opens them", "MP4 plays everywhere"
        )
