"""A licence that excludes something is read, shown, and agreed to by whoever adds the model, or it is not added."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from folders import wan_folder
from typer.testing import CliRunner, Result

from rushes.assemble import build_catalogue
from rushes.cli import licence as asked
from rushes.cli.app import app
from rushes.errors import WrongSetup
from rushes.settings import Settings
from rushes.weights.licence import Licence, stated

ID = "wan2.1-t2v-1.3b"
FRONT = "---\nlicense: other\nlicense_name: {name}\nlicense_link: LICENSE\n---\n# A model\n"
TEXT = """Somebody's Community License Agreement

THIS LICENSE DOES NOT APPLY IN THE EUROPEAN UNION, UNITED KINGDOM AND SOUTH KOREA.
You must ask us for a licence of your own above 100 million monthly active users.
You must not use the outputs to improve another model. The rest of it is about the weather.
"""


class Machine:
    """A data folder, and a checkpoint with a licence of its own."""

    def __init__(self, place: Path) -> None:
        self.data = place / "data"
        self.folder = wan_folder(place / "wan")
        (self.folder / "README.md").write_text(FRONT.format(name="somebodys-community"))
        (self.folder / "LICENSE").write_text(TEXT)

    def add(self, *words: str, answer: str | None = None) -> Result:
        command = ["models", "add", ID, "--from", str(self.folder), *words, "--data", str(self.data)]
        return CliRunner().invoke(app, command, input=answer)

    def info(self) -> Any:
        done = CliRunner().invoke(app, ["models", "info", ID, "--json", "--data", str(self.data)])
        return json.loads(done.stdout)

    def offered(self) -> dict[str, str]:
        catalogue = build_catalogue(Settings.load({"data": self.data}, environ={}))
        return {offer.asked_id: offer.card.licence for offer in catalogue.offers()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_yes_nothing_is_added_and_what_it_excludes_is_shown(machine: Machine) -> None:
    done = machine.add()
    assert done.exit_code == 2
    assert "licence: this cannot be used here; given somebodys-community" in done.stderr
    assert "with --accept-licence, or a yes on a terminal" in done.stderr
    assert "where: THIS LICENSE DOES NOT APPLY IN THE EUROPEAN UNION" in done.stderr
    assert "how many: You must ask us for a licence of your own above 100 million monthly active users" in done.stderr
    assert "what for: You must not use the outputs" in done.stderr
    assert "weather" not in done.stderr
    assert ID not in machine.offered()


def test_what_was_agreed_to_is_remembered_with_its_date_and_the_hash_of_its_words(machine: Machine) -> None:
    began = time.time()
    assert machine.add("--accept-licence").exit_code == 0
    accepted = machine.info()["licence_accepted"]
    assert accepted["licence"] == "somebodys-community"
    assert began <= accepted["at"] <= time.time()
    assert accepted["sha256"] == Licence("somebodys-community", TEXT).sha256
    assert machine.offered()[ID] == "somebodys-community", "the models list says the licence that the files state"


def test_the_same_words_are_not_asked_about_twice_and_other_words_are(machine: Machine) -> None:
    assert machine.add("--accept-licence").exit_code == 0
    first = machine.info()["licence_accepted"]
    assert machine.add().exit_code == 0
    assert machine.info()["licence_accepted"] == first
    (machine.folder / "LICENSE").write_text(TEXT.replace("100", "10"))
    done = machine.add()
    assert done.exit_code == 2, "the words are other ones"
    assert "10 million" in done.stderr


@pytest.mark.parametrize(("answer", "agrees"), [(True, True), (False, False)])
def test_on_a_terminal_it_is_asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, answer: bool, agrees: bool
) -> None:
    monkeypatch.setattr("typer.confirm", lambda question, **how: answer if not how["default"] else None)
    licence = stated(machine.folder)
    assert licence is not None
    if agrees:
        accepted = asked.agreed(licence, machine.folder, accept=False, before=None, can_ask=True)
        assert accepted is not None and accepted.sha256 == licence.sha256
    else:
        with pytest.raises(WrongSetup, match="read LICENSE first"):
            asked.agreed(licence, machine.folder, accept=False, before=None, can_ask=True)


@pytest.mark.parametrize("name", ["apache-2.0", "MIT", "bsd-3-clause"])
def test_a_free_licence_is_not_asked_about(machine: Machine, name: str) -> None:
    (machine.folder / "README.md").write_text(f"---\nlicense: {name}\n---\n")
    assert machine.add().exit_code == 0
    assert machine.info()["licence_accepted"] is None
    assert machine.offered()[ID] == name


def test_files_that_state_none_have_the_cards(machine: Machine) -> None:
    (machine.folder / "README.md").unlink()
    (machine.folder / "LICENSE").unlink()
    assert machine.add().exit_code == 0
    assert machine.offered()[ID] == "Apache-2.0"


def test_a_card_that_excludes_something_is_not_softened_by_the_files(tmp_path: Path) -> None:
    folder = wan_folder(tmp_path / "wan")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    strict = "Somebody's licence (not valid in the European Union)"
    assert asked.licence_of(folder, strict).name == strict
    assert asked.licence_of(folder, "Apache-2.0").name == "mit"


def test_before_a_download_it_is_refused_where_nobody_could_agree_after_it() -> None:
    with pytest.raises(WrongSetup, match="--accept-licence"):
        asked.check_askable("Somebody's licence", accept=False, before=None, can_ask=False)
    asked.check_askable("Somebody's licence", accept=True, before=None, can_ask=False)
    asked.check_askable("Somebody's licence", accept=False, before=None, can_ask=True)
    asked.check_askable("Apache-2.0", accept=False, before=None, can_ask=False)


def test_a_model_whose_licence_was_never_agreed_to_is_not_offered(machine: Machine) -> None:
    assert machine.add("--accept-licence").exit_code == 0
    (entry,) = (machine.data / "models").glob("*.model.json")
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "accepted": None}))
    assert ID not in machine.offered()


@pytest.mark.parametrize(
    ("card", "text", "name", "free"),
    [
        ("---\nlicense: apache-2.0\n---\n", None, "apache-2.0", True),
        ("---\nlicense: 'mit'\ntags:\n- video\n---\n", None, "mit", True),
        ("---\nlicense: cc-by-nc-4.0\n---\n", None, "cc-by-nc-4.0", False),
        ("---\nlicense: other\n---\n", None, "a licence of its own", False),
        ("no head", TEXT, "a licence of its own", False),
        ("", "MIT License\n\nCopyright", "mit", True),
        ("", "                     Apache License\n              Version 2.0, January 2004\n", "apache-2.0", True),
    ],
)
def test_the_name_is_what_the_models_own_card_says(
    tmp_path: Path, card: str, text: str | None, name: str, free: bool
) -> None:
    (tmp_path / "README.md").write_text(card)
    if text is not None:
        (tmp_path / "LICENSE").write_text(text)
    found = stated(tmp_path)
    assert found is not None
    assert (found.name, found.free) == (name, free)


def test_a_folder_that_says_nothing_states_none(tmp_path: Path) -> None:
    assert stated(tmp_path) is None
    (tmp_path / "README.md").write_text("# A model\nlicense: somewhere in the text, which is no head\n")
    assert stated(tmp_path) is None
