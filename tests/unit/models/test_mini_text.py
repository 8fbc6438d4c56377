from __future__ import annotations

import difflib
import subprocess
import sys

import pytest

from rushes.models.mini.text import Tokenizer, split

WORDS = [
    "<pad>",
    "<unk>",
    ",",
    "a",
    "penguin",
    "waddling",
    "runs",
    "foxes",
    "city",
    "ice-cream",
    "t-rex",
    "cafe",
    "jump",
]
TOKENIZER = Tokenizer(WORDS, max_words=6)


def ids(prompt: str) -> list[int]:
    return [index for index in TOKENIZER.encode(prompt) if index]


def test_an_empty_prompt_is_padding_only():
    assert TOKENIZER.encode("") == [0] * 6
    assert TOKENIZER.encode("  \n\t ") == [0] * 6


def test_words_and_punctuation_become_ids_whatever_their_case():
    assert TOKENIZER.encode("A Penguin, WADDLING") == [3, 4, 2, 5, 0, 0]


def test_words_past_the_longest_prompt_are_not_read_and_that_is_said():
    assert TOKENIZER.encode("penguin " * 9) == [4] * 6
    assert TOKENIZER.understood("penguin " * 6 + "runs far").unread == ("runs", "far")


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("penguins", "penguin"),
        ("penguin's", "penguin"),
        ("penguin’s", "penguin"),
        ("waddles", "waddling"),
        ("waddled", "waddling"),
        ("running", "runs"),
        ("run", "runs"),
        ("fox", "foxes"),
        ("cities", "city"),
        ("Café", "cafe"),
        ("jumping", "jump"),
        ("jumped", "jump"),
        ("T-Rex", "t-rex"),
        ("ice-creams", "ice-cream"),
    ],
)
def test_a_word_in_another_form_is_the_word(typed, known):
    assert ids(typed) == [WORDS.index(known)]


@pytest.mark.parametrize("typed", ["zebra", "it", "42", "🐧", "пингвин", "企鹅", "_", "<pad>"])
def test_a_word_outside_the_vocabulary_is_unknown_and_never_padding(typed):
    assert set(ids(typed)) == {1}


def test_what_was_understood_names_known_words_and_the_nearest_to_the_others():
    known, unknown, unread = TOKENIZER.understood("A pengiun running in the qqqq")
    assert known == ("a", "running")
    assert unknown == (("pengiun", "penguin"), ("qqqq", None))
    assert unread == ()


def test_splitting_keeps_hyphens_and_apostrophes_inside_words():
    assert split("t-rex's ice-cream - yes!") == ["t-rex's", "ice-cream", "-", "yes", "!"]


def test_reading_words_needs_no_numpy():
    code = "import sys, rushes.models.mini.text, rushes.models.mini.config; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("length", [*range(1, 30), 500])
def test_the_word_that_is_named_for_an_unknown_one_is_the_nearest_of_all(length: int) -> None:
    for letters in ("penguinx", "wadling", "xyz", "ice-creamice-cream"):
        word = (letters * 80)[:length].rstrip("-")
        for what, nearest in TOKENIZER.understood(word).unknown:
            close = difflib.get_close_matches(what, [known for known in WORDS if known[0].isalnum()], n=1)
            assert nearest == (close[0] if close else None)
