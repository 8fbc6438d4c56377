"""The second stage of a film that is larger than one pass makes well: enlarged as latents, made noisy again, refined.

The first stage makes the film at half its sides. Then the upsampler doubles the latent, film and sound get the noise of
the first refining level, and the last part of the distilled schedule takes it out again, without guidance. What is
given is given in both stages, each time at that stage's size; a given sound stays as it is. A clip that a LoRA looks at
stands beside the first alone, and there alone the LoRA is worn. A checkpoint that was not distilled wears its makers'
distilled LoRA for the second.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rushes.contract.request import Lora
from rushes.models.ltx2 import sound
from rushes.models.ltx2.components import Components
from rushes.models.ltx2.film import denormalised, latent_of, normalised, scale_of, tokens
from rushes.models.ltx2.given import KEYFRAMES_STREAM, Held, smaller
from rushes.models.ltx2.schedule import REFINING_SIGMAS
from rushes.models.ltx2.state import Ltx2State, Numbers

STREAM = 1 << 35
"""Added to the streams of the seed's noise that the first stage draws from."""

Noise = Callable[[int, int, int, int], Tensor]
"""Of a seed, for so many tokens of that width, out of a stream."""


def refining(numbers: Numbers, refiner: Lora | None = None, left_off: Container[str] = ()) -> Numbers:
    """The numbers of the second stage of a clip whose first stage has `numbers`.

    It wears `refiner` besides, and none of those whose name is in `left_off`.
    """
    loras = {lora.name: lora for lora in numbers.loras if lora.name not in left_off}
    if refiner is not None:
        loras[refiner.name] = refiner
    return replace(
        numbers,
        rows=2 * numbers.rows,
        cols=2 * numbers.cols,
        steps=len(REFINING_SIGMAS),
        guidance_scale=1.0,
        before=numbers.steps,
        loras=tuple(loras[name] for name in sorted(loras)),
    )


def halved(given: Sequence[Held]) -> tuple[Held, ...]:
    """What is given of the whole film, at half its sides."""
    return tuple(replace(item, frames_THWC=smaller(item.frames_THWC, 2)) for item in given)


def enlarged(state: Ltx2State, noise: Noise, parts: Components) -> Ltx2State:
    """The beginning of the second stage, out of the end of the first."""
    condition = state.condition.next
    if condition is None:
        raise ValueError("this clip has no further stage")
    numbers, given, level = condition.numbers, condition.given, REFINING_SIGMAS[0]
    scale = scale_of(parts.vae)
    small = denormalised(latent_of(state.latent_BNC, state.condition.numbers), scale)
    film = tokens(normalised(parts.upsampler(small.to(parts.dtype)).float(), scale))
    drawn = noise(state.seed, numbers.places, film.shape[2], STREAM)
    if "held" in given:
        held, clean = given["held"], given["clean"]
        behind = held.shape[1] - numbers.places
        drawn = torch.cat([drawn, noise(state.seed, behind, film.shape[2], STREAM + KEYFRAMES_STREAM)], dim=1)
        begun = torch.where(held > 0, clean, torch.nn.functional.pad(film, (0, 0, 0, behind)))
        free = (1.0 - held) * level
        film = drawn * free + begun * (1 - free)
    else:
        film = level * drawn + (1 - level) * film
    heard = state.sound_BNC
    if "sound" not in given:
        # There and back through the decoder's numbers, as the reference hands it on: the last bits are compared.
        audio_vae = parts.audio_vae
        heard = sound.normalised(sound.denormalised(heard, audio_vae), audio_vae)
        heard = level * noise(state.seed, numbers.sounds, heard.shape[2], STREAM + sound.STREAM) + (1 - level) * heard
    return replace(state, condition=condition, latent_BNC=film, sound_BNC=heard, foreseen_BNC=None, computed={})
