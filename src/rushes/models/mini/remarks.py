"""What the embedded model makes of a prompt, said before it is made. Imports no NumPy: the door asks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rushes.catalogue.wording import listed
from rushes.contract.request import Note
from rushes.errors import Unavailable, shown
from rushes.models.mini import config
from rushes.models.mini.text import Tokenizer

MOST_WORDS = 5  # of a prompt in a language it never saw, all are unknown


def remarks(prompt: str) -> tuple[Note, ...]:
    """Notes of kind "advice" on the words that the model has not learned and on those that it does not reach.

    None where the weights are missing or damaged, which the job says when it is made.
    """
    try:
        tokenizer = _tokenizer(config.PACKAGED_WEIGHTS)
    except Unavailable:
        return ()
    _, unknown, unread = tokenizer.understood(prompt)
    notes = []
    if unknown:
        words = [f'"{shown(word)}"' for word, _ in unknown[:MOST_WORDS]]
        if len(unknown) > MOST_WORDS:
            words.append(f"{len(unknown) - MOST_WORDS} more")
        near = [f'"{known}" for "{shown(word)}"' for word, known in unknown[:MOST_WORDS] if known]
        message = f"words this model has not learned, which change little in the video: {listed(words, last='and')}"
        notes.append(Note("advice", "prompt", message, f"the nearest it knows: {', '.join(near)}" if near else None))
    if unread:
        rest = "1 word after that changes" if len(unread) == 1 else f"{len(unread)} words after that change"
        message = f"this model reads {tokenizer.max_words} words and marks; {rest} nothing"
        notes.append(Note("advice", "prompt", message, "put what matters first: subject, motion and scene"))
    return tuple(notes)


@lru_cache(maxsize=4)
def _tokenizer(weights: Path) -> Tokenizer:
    numbers = config.MiniConfig.load(weights)
    return Tokenizer(numbers.vocabulary, numbers.max_words)
