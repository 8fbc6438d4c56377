"""Clips that another process goes on with, for tests that hold their bytes to those of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rushes.catalogue.card import Card

GO_ON = """
import json, sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
import torch
from rushes.catalogue.card import AddedLora
from rushes.catalogue.cards import OPEN
torch.set_num_threads(1)
for id, checkpoint, loras, states in json.load(sys.stdin):
    card = next(card for card in OPEN if card.id == id)
    card = replace(card, rules=replace(card.rules, loras=tuple(AddedLora(**lora) for lora in loras)))
    module, _, name = card.adapter.partition(":")
    adapter = getattr(import_module(module), name)(replace(card, weights=replace(card.weights, folder=checkpoint)))
    for path in map(Path, states):
        state = adapter.restore(path.read_bytes())
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        path.with_suffix(".end").write_bytes(state.to_bytes())
"""


def to_the_end(adapter: Any, state: Any, place: Path) -> tuple[bytes, list[Path]]:
    """The bytes of the clip's end, and a file in `place` for the state before each of its steps."""
    saved = []
    while state.index < state.num_steps:
        saved.append(place / f"{state.index}.state")
        saved[-1].write_bytes(state.to_bytes())
        state = adapter.step(state, state.index)
    return state.to_bytes(), saved


def go_on_elsewhere(clips: Sequence[tuple[Card, Sequence[Path]]]) -> None:
    """From each state of each card to the clip's end, in one fresh process: beside `n.state` then lies `n.end`.

    One process for all of them: the libraries alone take seconds to import.
    """
    told = [
        (card.id, card.weights and card.weights.folder, list(map(asdict, card.rules.loras)), list(map(str, saved)))
        for card, saved in clips
    ]
    subprocess.run([sys.executable, "-c", GO_ON], input=json.dumps(told), text=True, check=True, timeout=900)
