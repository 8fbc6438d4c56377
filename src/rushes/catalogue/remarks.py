"""What a model itself has to say of a prompt, through the function that its card names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import import_module

from rushes.catalogue.card import Card
from rushes.contract.request import Note, ResolvedRequest

log = logging.getLogger(__name__)

Remark = Callable[[str], tuple[Note, ...]]


def remarked(resolved: ResolvedRequest, card: Card) -> ResolvedRequest:
    """`resolved` with the notes that the model of `card` adds to its prompts; as it is where the card names none.

    Apart from `resolve`, which depends on nothing but its arguments: this reads what the model knows from disk.
    Never fails: a remark is a courtesy, and whether the model can be loaded is said by the job that needs it.
    """
    if card.remarks is None:
        return resolved
    try:
        notes = tuple(
            replace(note, field=field)
            for field, words in (("prompt", resolved.prompt), ("negative_prompt", resolved.negative_prompt))
            if words
            for note in _named(card.remarks)(words)
        )
    except Exception as error:  # whatever the model's own code throws must not cost the video
        # Not the error's text: it may quote the prompt.
        log.warning("%s has no remarks on prompts: %s failed with %s", card.id, card.remarks, type(error).__name__)
        return resolved
    return replace(resolved, notes=(*resolved.notes, *notes))


@lru_cache(maxsize=64)
def _named(dotted: str) -> Remark:
    """The function behind `package.module:function`, imported only now: the catalogue knows no model by itself."""
    module, _, name = dotted.partition(":")
    found: Remark = getattr(import_module(module), name)
    return found
