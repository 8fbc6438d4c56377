"""The judge keeps its tables with its weights, turns films only where that keeps their key, and learns from renders."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from training.judge import READS, Judge, agreement, begun, labelled, learn, load, save, turned  # noqa: E402
from training.render import draw  # noqa: E402
from training.world import tier  # noqa: E402

TABLES = {name: getattr(tier("pocket"), table) for name, table in READS.items()}


def test_a_judge_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = Judge(TABLES, 40, (16, 24)).eval()
    save(judge, tmp_path / "judge.safetensors")
    again = load(tmp_path / "judge.safetensors")
    films = draw("pocket", 2, 5, (80, 144), 8, 4, "cpu")
    assert again.reads == judge.reads
    assert again.read(films.frames) == load(tmp_path / "judge.safetensors").read(films.frames)
    assert {name: scores.shape for name, scores in again(films.frames).items()} == {
        name: (2, len(values)) for name, values in TABLES.items()
    }


def test_any_shape_of_picture_and_any_length_can_be_read() -> None:
    judge = Judge(TABLES, 40, (16, 24)).eval()
    for frames, height, width in ((1, 144, 80), (5, 96, 128), (40, 320, 192)):
        assert len(judge.read(torch.randint(256, (1, frames, 3, height, width), dtype=torch.uint8))) == 1


def test_films_are_turned_with_what_they_show_and_never_into_another_motion() -> None:
    films = draw("pocket", 24, 3, (40, 72), 1, 4, "cpu")
    clips, labels = turned(films, TABLES)
    again = len(clips) - len(films)
    sideways = sum("left" in each["motion"] or "right" in each["motion"] for each in labelled(TABLES, films))
    assert again == 24 - sideways and 0 < sideways < 24
    still = [row for row in range(24) if TABLES["motion"][films.labels["motion"][row]] not in ("left", "right")]
    for row, turn in zip(still, range(24, len(clips)), strict=True):
        assert torch.equal(clips[turn], films.frames[row].flip(3))
        assert labels["subject"][turn] == films.labels["subject"][row]
        before, after = (TABLES["camera"][films.labels["camera"][row]], TABLES["camera"][labels["camera"][turn]])
        assert after == {"pan left": "pan right", "pan right": "pan left"}.get(before, before)


def test_agreement_counts_what_was_asked_for_only() -> None:
    told = [{"scene": "beach", "motion": "jump"}, {"scene": "moon", "motion": "spin"}]
    assert agreement(told, [{"scene": "beach"}, {"scene": "snow"}]) == {"scene": 0.5}


def test_a_few_steps_of_training_beat_chance() -> None:
    judge = learn(begun("pocket", 40), "pocket", 0, 12, "cpu", steps=40)
    films = draw("pocket", 40, 77, (80, 144), 8, 4, "cpu", held_out=True)
    rates = agreement(judge.read(films.frames), labelled(judge.reads, films))
    assert rates["scene"] > 0.3, rates  # one in ten by chance
