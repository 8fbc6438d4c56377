"""`rushes doctor` finds what is missing and says how to get it; the other commands that only look."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rushes import __version__, assemble
from rushes.catalogue.card import MediaRules
from rushes.catalogue.cards.mini import CARD
from rushes.cli import examine
from rushes.cli.app import app
from rushes.cli.told import size
from rushes.media import decode

FILES = ("mini.json", "transformer.onnx", "decoder.onnx")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(json.dumps({"revision": "r7"}))
    sums = [f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    return tmp_path


def test_whole_weights_are_told_with_their_revision(weights: Path) -> None:
    finding = examine.weights_in(weights)
    assert (finding.state, finding.remedy) == ("ok", None)
    assert "revision r7" in finding.found
    assert "hashes match" in finding.found


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_the_weights_is_found(weights: Path, name: str) -> None:
    (weights / name).write_text(json.dumps({"revision": "r8"}))
    finding = examine.weights_in(weights)
    assert (finding.state, finding.found) == ("missing", f"rushes/mini: {name} is damaged")
    assert finding.remedy is not None


@pytest.mark.parametrize("name", FILES)
def test_an_absent_file_of_the_weights_is_named(weights: Path, name: str) -> None:
    (weights / name).unlink()
    assert examine.weights_in(weights).found == f"rushes/mini lacks {name}"


def test_weights_that_cannot_be_checked_are_said_to_be_unchecked(weights: Path) -> None:
    (weights / "SHA256SUMS").unlink()
    assert examine.weights_in(weights).state == "note"


@pytest.mark.parametrize("content", ['{"revi', "[1]", "{}"])
def test_weights_whose_description_cannot_be_read_are_damaged(content: str, weights: Path) -> None:
    (weights / "mini.json").write_text(content)
    assert examine.weights_in(weights).found == "rushes/mini: mini.json is damaged"
    (weights / "SHA256SUMS").unlink()
    assert examine.weights_in(weights).found == "rushes/mini: mini.json is damaged"


@pytest.mark.parametrize("sums", [b"", b"\xff\0"])
def test_hashes_that_were_cut_short_match_nothing(sums: bytes, weights: Path) -> None:
    (weights / "SHA256SUMS").write_bytes(sums)
    assert examine.weights_in(weights).state == "missing"


def test_a_name_too_long_for_a_folder_is_a_finding(tmp_path: Path) -> None:
    (finding,) = examine.disk(tmp_path / ("a" * 300) / "data")
    assert finding.state == "missing"


def test_a_shelf_that_may_not_be_read_is_a_finding_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / ("a" * 300)))
    done = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path), "--port", "0", "--json"])
    assert done.exit_code == 1
    findings = json.loads(done.stdout)["findings"]
    assert "File name too long" in next(one["found"] for one in findings if one["name"] == "model")
    assert "disk" in [one["name"] for one in findings]


def test_a_taken_port_is_a_note_with_another_port_in_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        finding = examine.port("127.0.0.1", number)
    assert finding.state == "note"
    assert f"--port {number + 1}" in (finding.remedy or "")
    assert examine.port("127.0.0.1", number).state == "ok"


def test_a_data_folder_that_cannot_be_made_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (finding,) = examine.disk(tmp_path / "file" / "data")
    assert finding.state == "missing"
    assert finding.remedy is not None


def test_a_data_folder_that_is_not_there_yet_is_fine_and_is_not_made_by_looking(tmp_path: Path) -> None:
    first, _ = examine.disk(tmp_path / "a" / "b")
    assert (first.state, first.found) == ("ok", f"{tmp_path / 'a' / 'b'} (will be made)")
    assert not (tmp_path / "a").exists()


def test_the_doctor_names_each_thing_it_looked_at(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path), "--port", "0", "--json"])
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    looked_at = {"python", "media", "encoders", "decoder", "onnxruntime", "weights", "cores", "data", "disk", "port"}
    assert findings.keys() >= looked_at
    assert re.search(r"PyAV \d+\.\d+\.\d+ with FFmpeg \d", findings["media"]["found"])
    assert findings["encoders"]["state"] == "ok"
    broken = any(finding["state"] == "missing" for finding in findings.values())
    assert done.exit_code == (1 if broken else 0)


def test_the_walls_around_a_decoder_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = examine.decoder()
    assert whole.state in ("ok", "note")
    assert "opening anything" in whole.found
    few = decode.Walls({"kernel": False, "descriptors": True}, ())
    monkeypatch.setattr(decode, "walls", lambda: few)
    assert examine.decoder().state == "note"
    assert "not: files and network" in examine.decoder().found
    monkeypatch.setattr(decode, "walls", lambda: decode.Walls({}, ("read a file", "connect")))
    assert examine.decoder().state == "missing"
    assert "could still read a file and connect" in examine.decoder().found


def test_the_models_here_are_listed_with_their_limits() -> None:
    done = CliRunner().invoke(app, ["models", "--json"])
    (row,) = json.loads(done.stdout)["models"]
    assert row["id"] == row["made_by"] == "rushes/mini"
    assert row["limits"]["seconds"] == {"minimum": 1, "maximum": 10, "default": 6}


def test_in_a_narrow_terminal_names_are_folded_and_none_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = CliRunner().invoke(app, ["models"]).stdout
    assert "…" not in said


def test_a_program_reads_a_line_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    head, row = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert head.split()[0] == "model"
    assert row.split()[0] == "rushes/mini"
    assert row.rstrip().endswith("audio_inputs")


def test_a_mapping_shows_the_hosted_id_and_what_stands_in_for_it() -> None:
    done = CliRunner().invoke(app, ["models", "--serve-as", "minimax/hailuo-02=rushes/mini", "--json"])
    assert {row["id"]: row["made_by"] for row in json.loads(done.stdout)["models"]} == {
        "rushes/mini": "rushes/mini",
        "minimax/hailuo-02": "rushes/mini",
    }


def test_a_mapping_that_no_request_can_meet_is_listed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    words = replace(CARD, rules=replace(CARD.rules, media=MediaRules(), needs=("prompt",)))
    monkeypatch.setattr(assemble, "CARDS", (words,))
    mapping = ("--serve-as", "Wan-AI/wan2.7-r2v=rushes/mini")
    rows = json.loads(CliRunner().invoke(app, ["models", *mapping, "--json"]).stdout)["models"]
    reasons = {row["id"]: row["unmakeable"] for row in rows}
    assert reasons["rushes/mini"] is None
    assert reasons["Wan-AI/wan2.7-r2v"].startswith("Wan-AI/wan2.7-r2v needs media.reference_images")
    said = CliRunner().invoke(app, ["models", *mapping])
    assert f"cannot be made here: {reasons['Wan-AI/wan2.7-r2v']}\n" == said.stderr


def test_a_misspelt_variable_of_ours_is_an_error_of_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_PROT", "8001")
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 2
    assert "RUSHES_PROT: no such setting. Hint: did you mean RUSHES_PORT?" in done.stderr


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"rushes {__version__}\n"


@pytest.mark.parametrize(
    ("num_bytes", "said"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_345_678, "2.3 MB")]
)
def test_sizes_are_told_in_units_people_use(num_bytes: int, said: str) -> None:
    assert size(num_bytes) == said
