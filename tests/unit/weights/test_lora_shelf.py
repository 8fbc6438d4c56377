"""LoRAs are added to a model that is here, offered with it, checked with it and forgotten with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_files import LAYERS, pairs, wan, written
from typer.testing import CliRunner, Result

from rushes.assemble import build_catalogue
from rushes.catalogue.card import AddedLora
from rushes.cli.app import app
from rushes.settings import Settings

ID, TWO = "wan2.1-t2v-1.3b", "wan2.2-t2v-a14b"
Q = "blocks.0.attn1.to_q"


class Machine:
    """A data folder with a model of one transformer and one of two, and the command on it."""

    def __init__(self, place: Path) -> None:
        self.place, self.data = place, place / "data"
        for id, experts in ((ID, 1), (TWO, 2)):
            self.said("add", id, "--from", str(wan(place / id, experts)))
        self.file = written(place / "penguins.safetensors", pairs(*LAYERS))

    def models(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["models", *words, "--data", str(self.data)])

    def said(self, *words: str) -> Any:
        done = self.models(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def offered(self, id: str = ID) -> tuple[AddedLora, ...]:
        catalogue = build_catalogue(Settings.load({"data": self.data}, environ={}))
        return catalogue.find(id).card.rules.loras


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_one_that_is_added_is_offered_until_it_is_removed(machine: Machine) -> None:
    added = machine.said("add-lora", "penguins", "--to", ID.upper(), "--from", str(machine.file))
    assert (added["model"], added["layers"], added["rank"]) == (ID, len(LAYERS), 2)
    assert machine.offered() == (AddedLora("penguins", added["revision"], {"transformer": str(machine.file)}),)
    assert machine.offered(TWO) == ()
    (row,) = (row for row in machine.said("list")["models"] if row["id"] == ID)
    assert row["limits"]["loras"]["names"] == ["penguins"]
    assert machine.said("info", ID)["loras"] == [added]
    assert machine.said("remove", ID, "--lora", "PENGUINS") == {"id": ID, "lora": "PENGUINS"}
    assert machine.offered() == ()
    assert machine.file.is_file()


def test_a_terminal_shows_it_wherever_it_shows_its_model(machine: Machine) -> None:
    done = machine.models("add-lora", "penguins", "--to", ID, "--from", str(machine.file))
    assert "here for wan2.1-t2v-1.3b: penguins: 6 layers, rank 2" in done.stdout
    for words in (("list",), ("info", ID)):
        assert "penguins" in machine.models(*words).stdout
    before = int(machine.models("verify", ID).stdout.split()[1])
    assert machine.models("remove", ID, "--lora", "penguins").exit_code == 0
    assert int(machine.models("verify", ID).stdout.split()[1]) == before - 1


def test_what_a_model_always_wears_is_added_whole_or_not_at_all(machine: Machine) -> None:
    quick, folder = f"{TWO}-lightning", str(machine.place / TWO)
    command = f"rushes models add-lora lightning --to {quick} --high FILE --low FILE"
    assert f"it makes videos after {command}" in machine.models("add", quick, "--from", folder).output
    file, to = str(machine.file), ("--to", quick)
    for given in (("--from", file), ("--high", file), ("--low", file)):
        done = machine.models("add-lora", "lightning", *to, *given)
        assert done.exit_code == 2
        assert "allowed: lightning with --high and --low" in done.output
    assert machine.offered(quick) == ()
    machine.said("add-lora", "penguins", *to, "--low", file)
    machine.said("add-lora", "lightning", *to, "--high", file, "--low", file)
    assert [lora.name for lora in machine.offered(quick)] == ["lightning", "penguins"]
    assert "it makes videos after" not in machine.models("add", quick, "--from", folder).output


def test_one_file_is_for_both_experts_or_each_has_its_own(machine: Machine) -> None:
    file, low = str(machine.file), written(machine.place / "elsewhere" / "low.safetensors", pairs(Q))
    machine.said("add-lora", "both", "--to", TWO, "--from", file)
    machine.said("add-lora", "each", "--to", TWO, "--high", file, "--low", str(low))
    machine.said("add-lora", "one", "--to", TWO, "--low", str(low))
    offered = {lora.name: dict(lora.files) for lora in machine.offered(TWO)}
    assert offered == {
        "both": {"transformer": file, "transformer_2": file},
        "each": {"transformer": file, "transformer_2": str(low)},
        "one": {"transformer_2": str(low)},
    }


def test_the_same_name_again_is_another_revision(machine: Machine) -> None:
    first = machine.said("add-lora", "penguins", "--to", ID, "--from", str(machine.file))
    other = written(machine.place / "other.safetensors", pairs(Q))
    again = machine.said("add-lora", "penguins", "--to", ID, "--from", str(other))
    assert first["revision"] != again["revision"]
    assert [lora.revision for lora in machine.offered()] == [again["revision"]]


def test_one_whose_file_changed_is_not_offered_and_its_model_is(machine: Machine) -> None:
    machine.said("add-lora", "penguins", "--to", ID, "--from", str(machine.file))
    machine.file.write_bytes(machine.file.read_bytes()[:-4] + b"\1\1\1\1")
    done = machine.models("verify", ID)
    assert done.exit_code == 1
    assert "LoRA penguins: penguins.safetensors has other bytes than when it was added" in done.stderr
    machine.file.unlink()
    assert machine.offered() == ()


def test_a_model_that_is_removed_takes_its_own_along(machine: Machine) -> None:
    for id in (ID, TWO):
        machine.said("add-lora", "penguins", "--to", id, "--from", str(machine.file))
    machine.said("remove", ID)
    machine.said("add", ID, "--from", str(machine.place / ID))
    assert machine.offered() == ()
    assert len(machine.offered(TWO)) == 1


def test_a_plain_one_is_remembered_in_the_words_of_a_version_that_knew_no_others(machine: Machine) -> None:
    machine.said("add-lora", "penguins", "--to", ID, "--from", str(machine.file))
    (file,) = (machine.data / "models").glob("*.lora.json")
    known = {"name", "of", "folder", "revision", "files", "networks", "layers", "rank", "added_at"}
    assert json.loads(file.read_text()).keys() == known


def test_a_damaged_memory_of_one_stops_nothing(machine: Machine) -> None:
    machine.said("add-lora", "penguins", "--to", ID, "--from", str(machine.file))
    (file,) = (machine.data / "models").glob("*.lora.json")
    file.write_text("{")
    assert machine.offered() == ()
    machine.said("remove", ID, "--lora", "penguins")
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add-lora", "p", "--to", "wan2.1-vace-1.3b", "--from", "FILE"], f"allowed: {ID} or {TWO}"),
        (["add-lora", "a b", "--to", ID, "--from", "FILE"], "letters, digits"),
        (["add-lora", "p", "--to", ID], "from: "),
        (["add-lora", "p", "--to", ID, "--from", "/no/such/file.safetensors"], "a file that exists"),
        (["add-lora", "p", "--to", ID, "--from", "STRANGE"], "1 of 3 keys are not: text_encoder.q.lora_A.weight"),
        (["add-lora", "p", "--to", ID, "--low", "FILE"], "only for a model of two experts"),
        (["add-lora", "p", "--to", TWO, "--from", "FILE", "--low", "FILE"], "one file for all, or one for an expert"),
        (["add-lora", "p", "--to", ID, "--from", "FILE", "--reads", "source_video"], "LoRAs of this family look at no"),
        (["remove", ID, "--lora", "p"], "none: this model has no LoRA"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(machine: Machine, words: list[str], reason: str) -> None:
    strange = written(machine.place / "strange.safetensors", pairs(Q) | {"text_encoder.q.lora_A.weight": (2, 8)})
    files = {"FILE": str(machine.file), "STRANGE": str(strange)}
    done = machine.models(*[files.get(word, word) for word in words])
    assert done.exit_code == 2, done.output
    assert reason in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert machine.offered() == ()


def test_a_name_that_is_none_is_refused_before_anything_is_read(machine: Machine) -> None:
    refused = machine.models("add-lora", "my penguins", "--to", ID, "--from", "nowhere.safetensors", "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["param"] == "name"


def test_a_model_whose_files_were_damaged_since_takes_none_and_is_said_to_be(machine: Machine) -> None:
    (weights,) = (machine.place / ID / "transformer").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    refused = machine.models("add-lora", "penguins", "--to", ID, "--from", str(machine.file), "--json")
    assert refused.exit_code == 2
    error = json.loads(refused.stdout)["error"]
    assert error["param"] == "to"
    assert weights.name in error["message"]
    assert f"rushes models verify {ID}" in error["message"]
