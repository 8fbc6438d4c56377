"""What a person brings along, laid over the latent frames of a clip: which are given, and how far.

A latent frame starts from a noise level of its own: `FREE` is nothing but noise, 0 is finished, as are keyframes and a
clip to continue, and between the two lies a clip to edit: noisy enough to be made anew where the words say so, clean
enough to keep its places and its motion. Training shows the model all three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rushes.models.adapter import Frames, Inputs

FREE = 1.0
EDITED = 0.9
"""Where an edit starts: see docs/guides/media.md for what less and more of it do."""


MOST_REFERRED = 2
"""Latent frames of references that training shows at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """`chunks` are pairs (latent frame, its frames as FHWC uint8); `levels` has a number for each latent frame.

    `skipped` frames stand before the film begins, so that a clip to continue ends where a latent frame ends.
    """

    levels: tuple[float, ...]
    skipped: int
    chunks: tuple[tuple[int, Frames], ...]

    @property
    def finished(self) -> int:
        """How many latent frames at the start are given as they are."""
        return next((index for index, level in enumerate(self.levels) if level > 0), len(self.levels))


def laid_out(inputs: Inputs, num_frames: int, frames_per_latent: int) -> Given:
    """Lay `inputs` over a film of `num_frames`; where two want the same latent frame, a keyframe goes first."""
    lead_in, source = inputs.lead_in_THWC, inputs.source_THWC
    skipped = 0 if lead_in is None else -len(lead_in) % frames_per_latent
    num_latents = -(-(skipped + num_frames) // frames_per_latent)
    levels = [FREE] * num_latents
    chunks: dict[int, Frames] = {}
    if source is not None:
        # A latent frame of which less than half is there is made freely; of the others the rest stands still.
        covered = max(1, round(min(len(source), num_frames) / frames_per_latent))
        for index in range(min(covered, num_latents)):
            at = np.arange(index * frames_per_latent, (index + 1) * frames_per_latent)
            chunks[index], levels[index] = source[np.minimum(at, len(source) - 1)], EDITED
    if lead_in is not None:
        for index in range((skipped + len(lead_in)) // frames_per_latent):
            at = np.arange(index * frames_per_latent, (index + 1) * frames_per_latent) - skipped
            chunks[index], levels[index] = lead_in[np.maximum(at, 0)], 0.0
    for index, frames in _stills(inputs, skipped, frames_per_latent):
        chunks[index], levels[index] = frames, 0.0
    return Given(tuple(levels), skipped, tuple(sorted(chunks.items(), key=lambda item: item[0])))


def referred(inputs: Inputs, frames_per_latent: int, side: int) -> tuple[Frames, ...]:
    """What the film is about, a latent frame each: (frames_per_latent, side, side, 3), at most `MOST_REFERRED`.

    A picture stands still for one; of a clip, its beginning is seen.
    """
    chunks: list[Frames] = []
    for clip in inputs.references:
        whole = max(1, len(clip) // frames_per_latent)
        for index in range(whole):
            at = np.arange(index * frames_per_latent, (index + 1) * frames_per_latent)
            chunks.append(_sized(clip[np.minimum(at, len(clip) - 1)], side))
    return tuple(chunks[:MOST_REFERRED])


def _sized(frames_TSS3: Frames, side: int) -> Frames:
    """Square pictures at another side: each new pixel is the mean of what it covers, weighed by a triangle."""
    given = frames_TSS3.shape[1]
    scale = given / side
    middle = (np.arange(side)[:, None] + 0.5) * scale - 0.5
    weight = np.maximum(0, 1 - np.abs(np.arange(given)[None] - middle) / max(1.0, scale))
    weight /= weight.sum(1, keepdims=True)
    sized = np.einsum("ys,tsrc,xr->tyxc", weight, frames_TSS3.astype(np.float64), weight, optimize=True)
    return np.asarray(np.rint(sized).clip(0, 255), dtype=np.uint8)


def _stills(inputs: Inputs, skipped: int, frames_per_latent: int) -> list[tuple[int, Frames]]:
    """A latent frame for each that a keyframe falls in; each of its frames shows the keyframe nearest in time."""
    at_latent: dict[int, list[tuple[int, Frames]]] = {}
    for frame, picture in sorted(inputs.keyframes, key=lambda item: item[0]):
        index, within = divmod(frame + skipped, frames_per_latent)
        at_latent.setdefault(index, []).append((within, picture))
    return [
        (index, np.stack([_nearest(stills, within) for within in range(frames_per_latent)]))
        for index, stills in at_latent.items()
    ]


def _nearest(stills: list[tuple[int, Frames]], within: int) -> Frames:
    return min(stills, key=lambda still: abs(still[0] - within))[1]
