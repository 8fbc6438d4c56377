"""A clip made verb by verb, and what holds of it in every family: the test of one says what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from elsewhere import go_on_elsewhere, to_the_end
from tiny_cards import changed, copied, folder_of

from rushes.catalogue.card import Card
from rushes.contract.media import FrameImage, Media
from rushes.diffusion.reuse import computed
from rushes.errors import WrongSetup
from rushes.models.adapter import NO_INPUTS, Frames, Inputs

FROM_PICTURE = Media(frame_images=(FrameImage("x", "first"),))
"""What a request says that starts from a picture; `first_frame` is what comes of it."""

FIELDS: list[dict[str, Any]] = [
    {},
    {"prompt": "A rocket flies"},
    {"negative_prompt": "snow"},
    {"guidance_scale": 2.0},
    {"guidance_scale": 1.0},
    {"steps": 1},
    {"seed": 8},
]
"""A request for two steps as it is, and changed in what all take that are guided."""


def first_frame(first: Frames | None) -> Inputs:
    return NO_INPUTS if first is None else Inputs(keyframes=((0, first),))


def ended(adapter: Any, state: Any) -> Any:
    """The state after the last step."""
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def finished(adapter: Any, state: Any) -> tuple[Frames, Any]:
    """The frames that come of a state, and the sound or None."""
    return joined(adapter.decode(ended(adapter, state)))


def joined(chunks: Iterable[Any]) -> tuple[Frames, Any]:
    """Frames, and the sound or None."""
    made = list(chunks)
    sounds = [chunk.audio for chunk in made if chunk.audio is not None]
    return np.concatenate([chunk.frames_THWC for chunk in made]), np.concatenate(sounds) if sounds else None


def each_makes_another_film(adapter: Any, states: Iterable[Any]) -> None:
    films = [finished(adapter, state)[0].tobytes() for state in states]
    assert len(set(films)) == len(films)


def taking_turns_they_do_not_mix(adapter: Any, begin: Sequence[Callable[[], Any]]) -> None:
    """Clips of as many steps, each begun anew: they end as they do alone, and no step changes the state before it."""
    alone = [finished(adapter, begun())[0] for begun in begin]
    states = [begun() for begun in begin]
    for index in range(states[0].num_steps):
        before = [state.to_bytes() for state in states]
        moved = [adapter.step(state, index) for state in states]
        assert [state.to_bytes() for state in states] == before, "a step leaves the state before it as it was"
        states = moved
    for state, film in zip(states, alone, strict=True):
        assert np.array_equal(finished(adapter, state)[0], film)


def a_step_is_computed_where_either_stream_has_drifted(adapter: Any, state: Any) -> None:
    """`state` is of a clip of more than three steps that may take velocities again."""
    passes: list[int] = []
    adapter.parts.transformer.register_forward_pre_hook(lambda *told: passes.append(1))
    still = {name: computed(None, latent, torch.ones_like(latent)) for name, latent in state.moving.items()}
    settled = {name: replace(step, rate=0.0) for name, step in still.items()}
    adapter.step(replace(state, computed=settled, index=2), 2)
    assert passes == []
    for name in state.moving:
        adapter.step(replace(state, computed={**settled, name: still[name]}, index=2), 2)
        assert passes, name
        passes.clear()


def another_process_goes_on_to_the_same_bytes(clips: Sequence[tuple[Any, Any]], place: Path) -> list[list[Path]]:
    """From every step of each clip, an adapter and a state; what was saved of each."""
    told, ends = [], []
    for number, (adapter, state) in enumerate(clips):
        (place / f"{number}").mkdir()
        end, saved = to_the_end(adapter, state, place / f"{number}")
        told.append((adapter.describe(), saved))
        ends.append(end)
    go_on_elsewhere(told)
    for (_, saved), end in zip(told, ends, strict=True):
        assert [path.with_suffix(".end").read_bytes() == end for path in saved] == [True] * len(saved)
    return [saved for _, saved in told]


def refused_once_changed(
    check: Callable[[Path, str], Any], card: Card, place: Path, part: str, change: Any, reason: str
) -> None:
    """`check` takes the card's checkpoint, and refuses a copy where `part`, a file of JSON, says what `change` does."""
    assert card.weights is not None
    copy = folder_of(copied(card, place / "copy"))
    check(copy, card.weights.layout)
    changed(copy / part, change)
    with pytest.raises(WrongSetup, match=reason):
        check(copy, card.weights.layout)
