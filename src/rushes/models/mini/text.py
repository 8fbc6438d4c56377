"""The words of a prompt as numbers, and what the model makes of them.

Small on purpose: lower case, words and punctuation, a fixed vocabulary. A word outside it is tried
without its ending ("penguins", "waddling") before it counts as unknown. Imports no NumPy.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

PAD, UNKNOWN = 0, 1
TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]|_")
SHORTEST_STEM = 3
ALIKE = 0.6  # from 0 to 1, of two words as difflib compares them
FUNCTION_WORDS = frozenset(
    "a an the this that of in on at to from with and or by for is are be it its as into over under while there".split()  # noqa: SIM905
)
"""Words whose absence from the vocabulary changes nothing a person would miss in the film."""


class Understood(NamedTuple):
    """What a prompt means to the model.

    known    its words that the model has learned, as typed, in order
    unknown  (word, nearest known word or None) for each other word
    unread   words past the longest prompt the model reads
    """

    known: tuple[str, ...]
    unknown: tuple[tuple[str, str | None], ...]
    unread: tuple[str, ...]


class Tokenizer:
    """Turns prompts into ids of `vocabulary`, where index is id, 0 is padding and 1 stands for unknown words."""

    def __init__(self, vocabulary: Sequence[str], max_words: int) -> None:
        self.max_words = max_words
        self._words = [word for word in vocabulary[UNKNOWN + 1 :] if word[0].isalnum()]
        self._id_of = {word: index for index, word in enumerate(vocabulary)}
        self._id_of_stem: dict[str, int] = {}
        longest = max(map(len, self._words), default=0)
        self._longest_alike = longest * (2 - ALIKE) / ALIKE  # the letters of a longer one are too many for any of ours
        # To compare a word with all of ours is half of what a door does for a video, and people use the same words.
        self._nearest = lru_cache(maxsize=2048)(self._compared)
        for index, word in enumerate(vocabulary):
            for stem in stems(word):
                self._id_of_stem.setdefault(stem, index)

    def encode(self, prompt: str) -> list[int]:
        """Exactly `max_words` ids: the prompt's first words, then padding. An empty prompt is padding only."""
        ids = [self._find(word) for word in split(prompt)[: self.max_words]]
        return ids + [PAD] * (self.max_words - len(ids))

    def understood(self, prompt: str) -> Understood:
        """Which words the model knows, what it knows instead of the others, and what it does not read."""
        tokens = split(prompt)
        read = list(dict.fromkeys(word for word in tokens[: self.max_words] if word[0].isalnum()))
        unread = tuple(word for word in tokens[self.max_words :] if word[0].isalnum())
        known = tuple(word for word in read if self._find(word) != UNKNOWN)
        unknown = (word for word in read if self._find(word) == UNKNOWN and word not in FUNCTION_WORDS)
        return Understood(known, tuple((word, self._like(word)) for word in unknown), unread)

    def _find(self, word: str) -> int:
        if word in self._id_of:
            return self._id_of[word]
        found = (self._id_of_stem[stem] for stem in stems(word) if stem in self._id_of_stem)
        return next(found, UNKNOWN)

    def _like(self, word: str) -> str | None:
        return self._nearest(word) if len(word) <= self._longest_alike else None

    def _compared(self, word: str) -> str | None:
        return next(iter(difflib.get_close_matches(word, self._words, n=1, cutoff=ALIKE)), None)


def split(prompt: str) -> list[str]:
    """Lower-case words and single punctuation marks, accents removed ("Café!" → "cafe", "!")."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", prompt) if not unicodedata.combining(c))
    return TOKEN.findall(plain.lower().replace("’", "'"))


def stems(word: str) -> Iterator[str]:
    """`word` and what may be left of it without an English ending, likeliest first; never shorter than 3 letters.

    It guesses too often rather than too seldom, since only words outside the vocabulary come here.
    """
    yield word
    for ending, replacements in ENDINGS:
        if not word.endswith(ending):
            continue
        rest = word.removesuffix(ending)
        candidates = [rest + replacement for replacement in replacements]
        if len(rest) > SHORTEST_STEM and rest[-1] == rest[-2]:
            candidates.append(rest[:-1])  # running → run
        yield from (candidate for candidate in candidates if len(candidate) >= SHORTEST_STEM)


ENDINGS = (
    ("'s", ("",)),
    ("ies", ("y", "ie")),
    ("ves", ("f", "fe")),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ing", ("", "e")),
    ("ied", ("y",)),
    ("ed", ("", "e")),
    ("ly", ("",)),
    ("y", ("", "e")),
    ("er", ("", "e")),
)
