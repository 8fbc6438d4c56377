"""What the embedded model says of a prompt, with the tiny weights' words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_mini import write_tiny_weights

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.remarks import remarked
from rushes.catalogue.resolve import resolve
from rushes.contract.request import Note, VideoRequest
from rushes.models.mini import config
from rushes.models.mini.remarks import remarks


@pytest.fixture(autouse=True)
def tiny_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "PACKAGED_WEIGHTS", write_tiny_weights(tmp_path / "weights"))
    return tmp_path / "weights"


def said(prompt: str) -> list[tuple[str, str | None]]:
    notes = remarks(prompt)
    assert all((note.kind, note.field) == ("advice", "prompt") for note in notes)
    return [(note.message, note.suggestion) for note in notes]


@pytest.mark.parametrize("prompt", ["A penguin waddles on the beach, runs.", "the moon is in the rain", "🐧 …", ""])
def test_a_prompt_that_is_understood_is_not_remarked_on(prompt: str) -> None:
    assert remarks(prompt) == ()


def test_unknown_words_are_named_with_the_nearest_known() -> None:
    ((message, suggestion),) = said("A pengiun and a hoarse in Qqqq")
    assert (
        message == 'words this model has not learned, which change little in the video: "pengiun", "hoarse" and "qqqq"'
    )
    assert suggestion == 'the nearest it knows: "penguin" for "pengiun", "horse" for "hoarse"'


def test_a_single_word_with_nothing_near_it_stands_alone() -> None:
    assert said("企鹅") == [('words this model has not learned, which change little in the video: "企鹅"', None)]


def test_of_many_unknown_words_five_are_named_and_the_rest_counted() -> None:
    ((message, _),) = said("aa bb cc dd ee ff gg hh")
    assert message.endswith(': "aa", "bb", "cc", "dd", "ee" and 3 more')


def test_a_word_of_thousands_of_letters_is_quoted_by_its_head() -> None:
    ((message, _),) = said("z" * 30_000)
    assert len(message) < 250


def test_words_past_the_longest_prompt_are_counted() -> None:
    assert said("penguin " * 13) == [
        (
            "this model reads 12 words and marks; 1 word after that changes nothing",
            "put what matters first: subject, motion and scene",
        )
    ]
    assert said("penguin " * 14)[0][0].endswith("2 words after that change nothing")


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_without_weights_there_is_nothing_to_say(fault: str, tiny_weights: Path) -> None:
    file = tiny_weights / "mini.json"
    file.unlink() if fault == "missing" else file.write_text("{", "utf-8")
    assert remarks("qqqq") == ()


def test_a_door_that_asks_for_remarks_imports_no_tensor_library(tiny_weights: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rushes.models.mini import config; "
        f"config.PACKAGED_WEIGHTS = Path({str(tiny_weights)!r}); "
        "from rushes.catalogue.cards.mini import CARD; from rushes.catalogue.lookup import Catalogue; "
        "from rushes.catalogue.remarks import remarked; from rushes.catalogue.resolve import resolve; "
        "from rushes.contract.request import VideoRequest; "
        "asked = VideoRequest(CARD.id, 'a pengiun runs along quietly'); "
        "made = remarked(resolve(asked, Catalogue([CARD]).find(CARD.id), lambda: 1), CARD); "
        "print('pengiun' in made.notes[-1].message, {'numpy', 'onnxruntime', 'av'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


def test_words_to_keep_out_are_remarked_on_too_under_their_own_name(tiny_weights: Path) -> None:
    asked = VideoRequest(CARD.id, "a penguin runs along quickly", negative_prompt="a pengiun")
    made = remarked(resolve(asked, Catalogue([CARD]).find(CARD.id), lambda: 1), CARD)
    (note,) = (note for note in made.notes if note.field == "negative_prompt")
    assert (note.kind, note.suggestion) == ("advice", 'the nearest it knows: "penguin" for "pengiun"')


def test_a_remark_is_a_note_that_a_row_can_hold() -> None:
    assert all(isinstance(note, Note) for note in remarks("qqqq"))
