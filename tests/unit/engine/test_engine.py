"""The loop, driven through the embedded model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mini_cases import WEIGHTS, asked, finished, weights_folder

from rushes.catalogue.cards.mini import CARD
from rushes.contract.events import STAGES, Cancelled, Progress
from rushes.engine.engine import Engine
from rushes.errors import Unavailable
from rushes.models.mini.adapter import MiniAdapter


@pytest.fixture(scope="module", params=WEIGHTS)
def adapter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MiniAdapter:
    return MiniAdapter(weights_folder(request.param, tmp_path_factory.mktemp("weights")))


@pytest.fixture
def engine(adapter: MiniAdapter) -> Engine:
    return Engine({CARD.adapter: adapter})


def ignore(progress: Progress) -> None:
    pass


class Cancel:
    """Ends the job at the first progress that `when` is true of."""

    def __init__(self, when) -> None:
        self.when, self.seen = when, []

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        if self.when(progress):
            raise Cancelled


def test_a_clip_is_what_the_adapter_makes_step_by_step(engine, adapter):
    native, chunks = engine.generate(asked(), CARD, ignore)
    frames = np.concatenate([chunk.frames_THWC for chunk in chunks])
    assert frames.shape == (native.num_frames, native.height, native.width, 3)
    by_hand = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(finished(adapter, asked()))])
    assert np.array_equal(frames, by_hand)


def test_progress_passes_through_the_stages_and_only_rises(engine):
    seen: list[Progress] = []
    _, chunks = engine.generate(asked(steps=3), CARD, seen.append)
    assert [progress.step for progress in seen if progress.stage == "denoising"] == [0, 1, 2, 3]
    list(chunks)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == ["loading", "encoding", "denoising", "decoding"]
    assert all(progress.stage in STAGES for progress in seen)
    assert [progress.fraction for progress in seen] == sorted(progress.fraction for progress in seen)
    assert (seen[-1].step, seen[-1].steps) == (12, 12)
    assert 0.9 < seen[-1].fraction < 1.0, "storing is still to come"


def test_a_cancelled_job_takes_no_further_step(engine, adapter, monkeypatch):
    taken: list[int] = []
    step = adapter.step
    monkeypatch.setattr(adapter, "step", lambda state, index: taken.append(index) or step(state, index))
    with pytest.raises(Cancelled):
        engine.generate(asked(steps=5), CARD, Cancel(lambda progress: progress.step == 2))
    assert taken == [0, 1]


def test_a_job_can_be_cancelled_while_it_is_decoded(engine):
    cancel = Cancel(lambda progress: progress.stage == "decoding" and progress.step > 0)
    _, chunks = engine.generate(asked(steps=1), CARD, cancel)
    next(chunks)
    with pytest.raises(Cancelled):
        next(chunks)


def test_the_engine_makes_the_next_clip_after_a_cancelled_one(engine):
    with pytest.raises(Cancelled):
        engine.generate(asked(), CARD, Cancel(lambda progress: progress.stage == "denoising"))
    _, chunks = engine.generate(asked(), CARD, ignore)
    assert sum(len(chunk.frames_THWC) for chunk in chunks) == 12


def test_a_model_is_loaded_by_the_name_on_its_card_and_kept():
    card = replace(CARD, adapter="loaded_by_name:CountedAdapter")
    import loaded_by_name

    engine = Engine()
    assert engine.adapter(card) is engine.adapter(card)
    assert loaded_by_name.CountedAdapter.built == 1


@pytest.mark.parametrize("name", ["rushes.models.nowhere:Adapter", "rushes.models.mini.adapter:Nobody", "nonsense", ""])
def test_a_card_whose_model_is_not_installed_is_refused_by_name(name):
    with pytest.raises(Unavailable, match="the model rushes/mini cannot be loaded: this installation has no"):
        Engine().adapter(replace(CARD, adapter=name))
