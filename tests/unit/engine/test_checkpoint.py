"""What an attempt leaves for the next one, and what the next one believes of it."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from mini_cases import asked, film_digest, finished
from tiny_mini import write_tiny_weights

from rushes.catalogue.cards.mini import CARD
from rushes.contract.events import Interrupted, Progress
from rushes.contract.job import Checkpoint
from rushes.contract.request import ResolvedRequest
from rushes.engine import checkpoint as checkpoint_module
from rushes.engine.checkpoint import Journal, format_of
from rushes.engine.engine import Engine
from rushes.errors import Unavailable
from rushes.models.mini.adapter import MiniAdapter
from rushes.storage.local import LocalStorage

REQUEST = asked(seconds=4.0, steps=3)  # two windows: six steps
JOB = "0190-id"
CUT = 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def whole(weights: Path) -> str:
    """The film of an uninterrupted run."""
    adapter = MiniAdapter(weights, threads=1)
    return film_digest(adapter, finished(adapter, REQUEST))


@dataclass
class Bench:
    """One job's storage of checkpoints, its row, and a fresh model for each attempt, as in another process."""

    folder: Path
    weights: Path
    found: Checkpoint | None = None
    attempt: int = 0

    def __post_init__(self) -> None:
        self.storage = LocalStorage(self.folder / "checkpoints")
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir()
        self.seen: list[Progress] = []
        self.named: list[Checkpoint] = []

    def keep(self, checkpoint: Checkpoint) -> None:
        assert self.storage.size(checkpoint.key) > 0, "an object is there before its name is"
        self.found = checkpoint
        self.named.append(checkpoint)

    def journal(self, every_s: float = 0.0) -> Journal:
        self.attempt += 1
        return Journal(
            self.storage,
            self.scratch,
            job=JOB,
            attempt=self.attempt,
            found=self.found,
            keep=self.keep,
            every_s=every_s,
        )

    def film(self, stop_at: int | None = None, journal: Journal | None = None) -> str:
        """One attempt: the hash of its frames; raises `Interrupted` before step `stop_at`."""

        def observe(progress: Progress) -> None:
            self.seen.append(progress)
            if progress.stage == "denoising" and progress.step == stop_at:
                raise Interrupted

        adapter = MiniAdapter(self.weights, threads=1)
        engine = Engine({CARD.adapter: adapter})
        _, chunks = engine.generate(REQUEST, CARD, observe, journal=journal or self.journal())
        return digest(chunks)

    @property
    def steps_taken(self) -> list[int]:
        return [progress.step for progress in self.seen if progress.stage == "denoising"]

    def object(self) -> Path:
        assert self.found is not None
        return self.storage.path(self.found.key)


def digest(chunks: Iterator) -> str:
    made = hashlib.sha256()
    for chunk in chunks:
        made.update(chunk.frames_THWC.tobytes())
    return made.hexdigest()


@pytest.fixture
def bench(tmp_path: Path, weights: Path) -> Bench:
    return Bench(tmp_path, weights)


@pytest.fixture
def cut(bench: Bench) -> Bench:
    """A job whose first attempt ended after step `CUT`, with a checkpoint of exactly that step."""
    with pytest.raises(Interrupted):
        bench.film(stop_at=CUT, journal=bench.journal(every_s=3600))
    assert bench.found is not None
    assert bench.found.step == CUT
    bench.seen.clear()
    return bench


@pytest.mark.parametrize("step", range(7))
def test_a_clip_cut_before_any_step_goes_on_there_to_the_same_film(bench: Bench, whole: str, step: int) -> None:
    with pytest.raises(Interrupted):
        bench.film(stop_at=step, journal=bench.journal(every_s=3600))
    bench.seen.clear()
    assert bench.film() == whole
    assert bench.steps_taken == list(range(step, 7))
    assert [progress.fraction for progress in bench.seen[1:]] == sorted(p.fraction for p in bench.seen[1:])


def test_a_clip_cut_before_every_single_step_ends_in_the_same_film(bench: Bench, whole: str) -> None:
    for step in range(7):
        with pytest.raises(Interrupted):
            bench.film(stop_at=step, journal=bench.journal(every_s=3600))
    bench.seen.clear()
    assert bench.film() == whole
    assert bench.steps_taken == [6], "nothing is left to denoise"


def test_a_clip_cut_while_it_is_decoded_is_decoded_again_and_not_denoised(bench: Bench, whole: str) -> None:
    def observe(progress: Progress) -> None:
        if progress.stage == "decoding" and progress.step > 0:
            raise Interrupted

    engine = Engine({CARD.adapter: MiniAdapter(bench.weights, threads=1)})
    with pytest.raises(Interrupted):
        digest(engine.generate(REQUEST, CARD, observe, journal=bench.journal(every_s=3600))[1])
    assert bench.film() == whole
    assert bench.steps_taken == [6]


def test_a_job_that_is_left_alone_saves_after_each_step_if_that_is_asked(bench: Bench, whole: str) -> None:
    assert bench.film() == whole
    assert [checkpoint.step for checkpoint in bench.named] == [1, 2, 3, 4, 5, 6]
    assert len({checkpoint.key for checkpoint in bench.named}) == 6
    assert len({checkpoint.format for checkpoint in bench.named}) == 1
    assert list(bench.scratch.iterdir()) == []


def test_a_film_that_cannot_be_stored_is_decoded_again_and_not_denoised(
    bench: Bench, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "LAST_WORTH_S", 0.0)
    engine = Engine({CARD.adapter: MiniAdapter(bench.weights, threads=1)})
    _, chunks = engine.generate(REQUEST, CARD, lambda progress: None, journal=bench.journal(every_s=3600))
    next(chunks)  # and now the disk is full, which only those see who write the film
    chunks.close()
    assert [checkpoint.step for checkpoint in bench.named] == [6], "the state after the last step"
    assert bench.film(journal=bench.journal(every_s=3600)) == whole
    assert bench.steps_taken == [6], "nothing is left to denoise"
    assert len(bench.named) == 1, "and nothing to keep"


def test_a_quick_job_leaves_no_checkpoint(bench: Bench, whole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_module, "LAST_WORTH_S", 3600.0)  # a busy machine makes no job slow
    assert bench.film(journal=bench.journal(every_s=60)) == whole
    assert bench.named == []


def test_what_was_just_saved_is_not_saved_again_when_the_job_is_told_to_stop(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.film(stop_at=3)
    assert [checkpoint.step for checkpoint in bench.named] == [1, 2, 3]


def damaged(content: bytes) -> dict[str, bytes]:
    kinds = {"truncated": content[:-1], "empty": b"", "longer": content + b"\0", "another file": b"\x89PNG" + content}
    for place in range(0, len(content), len(content) // 12):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        kinds[f"bit of byte {place}"] = bytes(flipped)
    return kinds


def test_a_damaged_checkpoint_is_noticed_and_the_job_starts_over(
    cut: Bench, whole: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert cut.found is not None
    first, content = cut.found, cut.object().read_bytes()
    kinds = damaged(content)
    assert len(kinds) > 12
    for kind, bad in kinds.items():
        cut.found = replace(first, key=f"{JOB}.bad")
        (cut.folder / "checkpoints" / cut.found.key).write_bytes(bad)
        cut.seen.clear()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert cut.film(journal=cut.journal(every_s=60)) == whole, kind
        assert cut.steps_taken[0] == 0, kind
        assert "starts from step 0: its checkpoint is damaged" in caplog.text, kind


def other_request(bench: Bench) -> str:
    return format_of(MiniAdapter(bench.weights, threads=1), CARD, asked(seconds=4.0, steps=3, seed=8))


def other_revision(bench: Bench) -> str:
    return format_of(MiniAdapter(bench.weights, threads=1), replace(CARD, revision="0"), REQUEST)


@pytest.mark.parametrize("other", [other_request, other_revision])
def test_a_checkpoint_of_another_request_or_model_is_noticed(cut: Bench, whole: str, other, caplog) -> None:
    assert cut.found is not None
    cut.found = replace(cut.found, format=other(cut))
    assert cut.film() == whole
    assert cut.steps_taken[0] == 0
    assert "is of another request, model or version" in caplog.text


def test_a_checkpoint_of_another_version_of_rushes_is_noticed(
    bench: Bench, whole: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as older:
        older.setattr(checkpoint_module, "__version__", "0.0.1")
        with pytest.raises(Interrupted):
            bench.film(stop_at=CUT)
    bench.seen.clear()
    assert bench.film() == whole
    assert bench.steps_taken[0] == 0
    assert "is of another request, model or version" in caplog.text


def test_a_checkpoint_that_other_weights_made_is_noticed(cut: Bench, tmp_path: Path) -> None:
    retrained = tmp_path / "retrained"
    shutil.copytree(cut.weights, retrained)
    config = retrained / "mini.json"
    config.write_text(config.read_text().replace('"tiny"', '"tiny, again"'))
    cut.weights = retrained
    cut.film()
    assert cut.steps_taken[0] == 0


def test_a_missing_checkpoint_is_noticed(cut: Bench, whole: str, caplog: pytest.LogCaptureFixture) -> None:
    cut.object().unlink()
    assert cut.film() == whole
    assert cut.steps_taken[0] == 0
    assert "is not there" in caplog.text


def test_another_jobs_checkpoint_is_noticed(cut: Bench, whole: str, caplog: pytest.LogCaptureFixture) -> None:
    assert cut.found is not None
    theirs = "0190-other.1-4-abcd"
    cut.object().rename(cut.folder / "checkpoints" / theirs)
    cut.found = replace(cut.found, key=theirs)
    assert cut.film() == whole
    assert cut.steps_taken[0] == 0
    assert "is another job's" in caplog.text


def test_a_pointer_to_another_step_is_noticed(cut: Bench, whole: str, caplog: pytest.LogCaptureFixture) -> None:
    assert cut.found is not None
    cut.found = replace(cut.found, step=CUT - 1)
    assert cut.film() == whole
    assert cut.steps_taken[0] == 0
    assert "is of step 4, not of step 3" in caplog.text


@pytest.mark.parametrize("key", ["../../etc/passwd", f"{JOB}./etc/passwd", f"{JOB}.../../x", ""])
def test_a_pointer_out_of_the_storage_is_noticed(cut: Bench, whole: str, key: str) -> None:
    assert cut.found is not None
    cut.found = replace(cut.found, key=key)
    assert cut.film() == whole
    assert cut.steps_taken[0] == 0


def test_a_checkpoint_that_cannot_be_stored_costs_the_job_nothing(
    bench: Bench, whole: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(key: str, path: Path) -> None:
        raise Unavailable("no space left on the disk")

    monkeypatch.setattr(bench.storage, "put_file", full)
    assert bench.film() == whole
    assert bench.named == []
    assert "no checkpoint of step 1: no space left on the disk" in caplog.text
    assert list(bench.scratch.iterdir()) == []


def test_a_scratch_folder_that_is_gone_costs_the_job_nothing(bench: Bench, whole: str) -> None:
    bench.scratch.rmdir()
    assert bench.film() == whole
    assert bench.named == []


def test_a_claim_that_is_lost_ends_the_attempt_at_its_next_checkpoint(bench: Bench) -> None:
    class Lost(Exception):
        pass

    def lost(checkpoint: Checkpoint) -> None:
        raise Lost

    journal = Journal(bench.storage, bench.scratch, job=JOB, attempt=1, found=None, keep=lost, every_s=0)
    with pytest.raises(Lost):
        bench.film(journal=journal)
    assert bench.steps_taken == [0]


def test_saving_takes_a_small_share_of_the_time_however_slow_the_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now)
    journal = bench.journal(every_s=5.0)
    put = bench.storage.put_file

    def slow(key: str, path: Path) -> None:
        nonlocal now
        now += 3.0
        put(key, path)

    monkeypatch.setattr(bench.storage, "put_file", slow)
    adapter = MiniAdapter(bench.weights, threads=1)
    state = finished(adapter, asked(steps=1))
    for step in range(300):  # one a second
        now += 1.0
        journal.save(replace(state, index=step), "f")
    assert len(bench.named) == 5  # 3 s of each 63: the first after 5 s
    assert now == 300 + 3 * 5


def request_fields() -> list[str]:
    return [name for name in ResolvedRequest.__dataclass_fields__ if name != "media"]


def test_every_value_of_the_request_is_in_the_format(weights: Path) -> None:
    adapter = MiniAdapter(weights, threads=1)
    formats = {format_of(adapter, CARD, REQUEST)}
    for name in request_fields():
        formats.add(format_of(adapter, CARD, replace(REQUEST, **{name: "other"})))
    assert len(formats) == 1 + len(request_fields())
