"""What was added is remembered, offered, checked and forgotten; what is damaged never stops the rest."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from folders import safetensors, wan_folder
from typer.testing import CliRunner, Result

from rushes.assemble import build_catalogue
from rushes.cli.app import app
from rushes.settings import Settings

ID = "wan2.1-t2v-1.3b"


class Machine:
    """A data folder, and the command on it."""

    def __init__(self, place: Path) -> None:
        self.data = place / "data"
        self.folder = wan_folder(place / "wan")

    def models(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["models", *words, "--data", str(self.data)])

    def said(self, *words: str) -> Any:
        done = self.models(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def offered(self) -> list[str]:
        return [offer.asked_id for offer in build_catalogue(Settings.load({"data": self.data}, environ={})).offers()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_model_that_is_added_is_offered_until_it_is_removed(machine: Machine) -> None:
    added = machine.said("add", ID, "--from", str(machine.folder))
    assert added["folder"] == str(machine.folder)
    assert machine.offered() == ["rushes/mini", ID]
    assert [row["id"] for row in machine.said("list")["models"]] == ["rushes/mini", ID]
    assert machine.said("info", ID)["revision"] == added["revision"]
    assert machine.said("verify", ID) == {"id": ID, "intact": True, "fault": None}
    machine.said("remove", ID.upper())
    assert machine.offered() == ["rushes/mini"]
    assert machine.folder.is_dir()


def test_an_id_too_long_for_a_files_name_is_said_to_be(machine: Machine) -> None:
    done = machine.models("add", "a" * 250, "--like", ID, "--from", str(machine.folder))
    assert done.exit_code == 2
    assert "id: this cannot be used here" in done.stderr
    assert "allowed: up to 100 letters" in done.stderr
    machine.said("add", f"studio/{'a' * 93}", "--like", ID, "--from", str(machine.folder))


def test_weights_of_ones_own_get_an_id_of_their_own(machine: Machine) -> None:
    machine.said("add", "studio/penguins", "--like", ID, "--from", str(machine.folder))
    (offer,) = (
        offer
        for offer in build_catalogue(Settings.load({"data": machine.data}, environ={})).offers()
        if offer.asked_id == "studio/penguins"
    )
    assert offer.card.weights is not None
    assert offer.card.weights.folder == str(machine.folder)
    assert offer.card.display_name == "studio/penguins"


@pytest.mark.skipif(find_spec("diffusers") is not None, reason="what it lacks is here: tests/open_models go on")
def test_a_pipeline_that_is_not_known_needs_the_library_that_has_it(machine: Machine) -> None:
    done = machine.models("add", "studio/penguins", "--from", str(machine.folder))
    assert done.exit_code == 2
    assert "pip install 'rushes[torch]'" in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add", "wan2.1-t2v-1.3", "--from", "FOLDER"], "did you mean wan2.1-t2v-1.3b?"),
        (["add", "wan9"], "allowed: wan2.1-t2v-1.3b"),
        (["add", ID, "--from", "FOLDER", "--native", "64x64@8"], "only for a model that is not known"),
        (["add", "wan2.1-vace-1.3b", "--from", "FOLDER"], "this one starts from text"),
        (["add", "rushes/mini", "--like", ID, "--from", "FOLDER"], "an id that no other model has"),
        (["add", "wan2.1-t2v-14b", "--like", ID, "--from", "FOLDER"], "an id that no other model has"),
        (["add", "a b", "--like", ID, "--from", "FOLDER"], "letters, digits"),
        (["add", ID, "--from", "/no/such/folder"], "a folder that exists"),
        (["add", ID, "--from", "FOLDER", "--revision", "main"], "only for a model from the hub"),
        (["verify", ID], "none: no model was added"),
        (["remove", ID], "none: no model was added"),
        (["info", "nothing"], "allowed: wan2.1-t2v-1.3b"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(machine: Machine, words: list[str], reason: str) -> None:
    done = machine.models(*[str(machine.folder) if word == "FOLDER" else word for word in words])
    assert done.exit_code == 2, done.output
    assert any(part in done.stderr for part in reason.split("|")), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_whose_files_changed_is_not_offered_and_the_others_are(machine: Machine) -> None:
    machine.said("add", ID, "--from", str(machine.folder))
    (machine.folder / "vae/model.safetensors").write_bytes(safetensors(weight=2))
    assert machine.offered() == ["rushes/mini"]
    done = machine.models("verify", ID)
    assert done.exit_code == 1
    assert "vae/model.safetensors has" in done.stderr


def test_a_damaged_memory_of_a_model_stops_nothing_and_can_be_removed(machine: Machine) -> None:
    machine.said("add", ID, "--from", str(machine.folder))
    (file,) = (machine.data / "models").iterdir()
    file.write_text("{")
    assert machine.offered() == ["rushes/mini"]
    machine.said("remove", ID)
    assert not file.exists()


def test_what_could_be_added_is_listed_on_request(machine: Machine) -> None:
    assert ID in machine.said("list", "--all")["to_add"]
    assert "to_add" not in machine.said("list")
    assert machine.said("info", ID)["here"] is False


def test_the_doctor_says_which_models_run_and_which_are_not_as_they_were(
    machine: Machine,
) -> None:
    from rushes.cli.examine import added

    machine.said("add", ID, "--from", str(machine.folder))
    settings = Settings.load({"data": machine.data}, environ={})
    found = list(added(settings))
    if find_spec("torch") is None:
        assert [(finding.name, finding.state) for finding in found] == [("torch", "missing")]
        assert found[0].remedy == "pip install 'rushes[torch]'"
    else:
        assert f"{ID}: exact, on" in found[1].found
    (machine.folder / "vae/model.safetensors").unlink()
    (finding,) = added(settings)
    assert (finding.state, finding.remedy) == ("missing", f"rushes models verify {ID}")


def test_from_the_hub_the_reason_says_what_is_missing(machine: Machine) -> None:
    done = machine.models("add", ID, "--offline")
    assert done.exit_code == 2
    lacking = "pip install 'rushes[torch]'" if find_spec("huggingface_hub") is None else "it is not on this disk"
    assert lacking in done.stderr


def test_what_is_no_id_is_refused_before_anything_is_fetched_or_read(machine: Machine) -> None:
    refused = machine.models("add", "my model", "--from", "nobody/nothing", "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["param"] == "id"


def test_a_shelf_that_cannot_be_written_to_is_said_plainly(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "file"))
    refused = machine.models("add", ID, "--from", str(machine.folder), "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["param"] == "models"


def test_a_damaged_memory_is_removed_by_its_id_in_any_case(machine: Machine) -> None:
    machine.said("add", ID, "--from", str(machine.folder))
    (remembered,) = (machine.data / "models").glob("*.model.json")
    remembered.write_text("{")
    machine.said("remove", ID.upper())
    assert not remembered.exists()


@pytest.mark.parametrize("line", [("add", "wan2.1-t2v-1.3"), ("info", "WAN2.1-T2V-1.3-b")], ids=" ".join)
def test_who_made_a_slip_is_told_what_was_meant(machine: Machine, line: tuple[str, ...]) -> None:
    refused = machine.models(*line)
    assert refused.exit_code == 2
    assert refused.stderr.endswith("Hint: did you mean wan2.1-t2v-1.3b?\n")
