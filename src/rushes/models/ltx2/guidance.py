"""What the several passes of a step predict, weighed: the family is guided in three ways at once.

words      away from the negative prompt
attention  away from what it predicts where one block looks at nothing but itself
other      away from what it predicts where picture and sound do not hear of each other

The result is pulled back to the spread of the plain prediction, which so much guidance would exceed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Array = Any  # a torch tensor


@dataclass(frozen=True, slots=True)
class Scales:
    """Of one stream. 1 is no guidance by words or by the other stream, 0 none by attention, and no pulling back."""

    words: float = 1.0
    attention: float = 0.0
    other: float = 1.0
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Guidance:
    """Of both streams. `block` is the number of the block that looks at nothing but itself."""

    picture: Scales
    sound: Scales
    block: int | None

    @property
    def by_words(self) -> bool:
        return max(self.picture.words, self.sound.words) > 1.0

    @property
    def by_attention(self) -> bool:
        return max(self.picture.attention, self.sound.attention) > 0.0

    @property
    def by_other(self) -> bool:
        return max(self.picture.other, self.sound.other) > 1.0


def published(scale: float, block: int | None) -> Guidance:
    """The makers' recipe at `scale`, which they give as 3: the sound follows the words as they have it then, by 7.

    At 1 there is no guidance at all, and one pass a step instead of four. Without a `block` there is none by attention.
    """
    if scale <= 1.0:
        return Guidance(Scales(), Scales(), block)
    attention = 0.0 if block is None else 1.0
    return Guidance(
        Scales(words=scale, attention=attention, other=3.0, spread=0.7),
        Scales(words=1.0 + 3.0 * (scale - 1.0), attention=attention, other=3.0, spread=0.7),
        block,
    )


def weighed(plain: Array, *, unworded: Array, unattended: Array, alone: Array, scales: Scales) -> Array:
    """The guided prediction of a clean latent. Those that were not made are None.

    Shapes  all alike, (1, tokens, width).
    Source  classifier-free guidance, Ho and Salimans 2022; skipped attention, Hyung et al. 2024 (STG); the spread,
            Lin et al. 2024, section 3.4.
    """
    # The order of the sums is the reference's: the bits are compared.
    words = 0 if unworded is None else (scales.words - 1) * (plain - unworded)
    attention = 0 if unattended is None else scales.attention * (plain - unattended)
    other = 0 if alone is None else (scales.other - 1) * (plain - alone)
    pushed = plain + words + attention + other
    if scales.spread <= 0:
        return pushed
    pulled = pushed * (_spread(plain) / _spread(pushed))
    return scales.spread * pulled + (1 - scales.spread) * pushed


def _spread(latent: Array) -> Array:
    return latent.std(dim=[1, 2], keepdim=True)
