"""A clip is fitted to the memory there is before it begins, and goes down the ladder where that was not enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from rushes.acceleration.plan import planned
from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import VideoRequest
from rushes.engine.residency import KeptParts
from rushes.engine.work import DECODING, STEPS, Work, ran_out
from rushes.errors import GenerationFailed, OutOfMemory
from rushes.models.adapter import Chunk
from rushes.models.parts import How, Needs, Stage

CARD = OPEN[0]
REQUEST = resolve(VideoRequest(model=CARD.id, prompt="A penguin"), Catalogue([CARD]).find(CARD.id), lambda: 7)


@dataclass
class Model:
    """An adapter with parts of 50 and 40 bytes; a pass makes 20 more, 10 in pieces, and 10 for a second prompt.

    The decoder makes 60, 10 by tiles.
    """

    runs_out: int = 0  # how often a verb fails before it works
    hows: list[How] = field(default_factory=list)
    device_kind: str = "cpu"

    @classmethod
    def resident(cls, card, residency):
        return cls()

    def needs(self, request, how: How) -> Needs:
        return Needs(
            (
                Stage("words", {"text": 50}, 5),
                Stage("steps", {"expert": 40}, (20 if how.pieces == 1 else 10) + 10 * how.together),
                Stage("decoding", {"vae": 5}, 60 if not how.tiles else 10),
            ),
            error=0.1,
        )

    def accelerate(self, how: How, dress) -> None:
        self.hows.append(how)

    def verb(self) -> str:
        if self.runs_out:
            self.runs_out -= 1
            raise MemoryError
        return "done"

    def decode(self):
        for number in range(3):
            if number == 1:
                self.verb()
            yield Chunk(np.full((1, 2, 2, 3), number, np.uint8))


def work(model: Model, memory_bytes: int, quality: str = "fast") -> Work:
    plan = planned(CARD, "cpu", quality)
    return Work(model, replace(REQUEST, quality=quality), plan, KeptParts(memory_bytes))


def names(of: Work) -> list[str]:
    assert of.plan is not None
    return [technique.name for technique in of.plan.tried]


def test_what_fits_whole_is_left_whole():
    assert names(work(Model(), 155)) == []


@pytest.mark.parametrize(
    ("memory_bytes", "rungs"),
    [
        (154, ["passes", "apart"]),
        (65, ["passes", "apart"]),
        (60, ["passes", "apart", "tiles"]),
        (55, ["passes", "apart", "int8", "tiles", "pieces"]),
    ],
)
def test_the_plan_goes_down_as_far_as_the_foretold_needs(memory_bytes: int, rungs: list[str]):
    model = Model()
    assert names(work(model, memory_bytes)) == rungs
    assert model.hows[-1].apart
    assert not model.hows[-1].together
    assert model.hows[-1].tiles == ("tiles" in rungs)
    assert (model.hows[-1].pieces > 1) == ("pieces" in rungs)


def test_what_cannot_fit_is_refused_with_the_numbers_before_anything_is_loaded():
    model = Model()
    with pytest.raises(OutOfMemory, match=r"need about 55 B.*40 B are there.*tried: .*parts of the model") as refusal:
        work(model, 40)
    assert model.hows == []
    assert refusal.value.code == "out_of_memory"
    assert isinstance(refusal.value, GenerationFailed)


def test_what_may_fit_within_the_stated_error_is_tried():
    tried = ["passes", "apart", "int8", "tiles", "pieces"]
    assert names(work(Model(), 54)) == tried  # words: 50 of files, and 5 a tenth less


def test_an_exact_request_is_not_made_lossy_to_fit():
    with pytest.raises(OutOfMemory, match="or for another quality"):
        work(Model(), 55, quality="exact")
    assert names(work(Model(), 65, quality="exact")) == ["apart"]


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_where_memory_runs_out_all_the_same_the_verb_is_called_again_one_rung_lower(times: int):
    model = Model(runs_out=times)
    at_work = work(model, 1000)
    assert at_work.do(STEPS, model.verb) == "done"
    assert names(at_work) == ["passes", "apart", "int8", "pieces"][:times]


def test_where_no_rung_is_left_the_job_fails_with_what_was_tried_and_the_next_one_runs():
    model = Model(runs_out=5)
    with pytest.raises(OutOfMemory, match=r"memory ran out in steps; tried: .*one at a time.*pieces"):
        work(model, 1000).do(STEPS, model.verb)
    assert work(model, 1000).do(STEPS, model.verb) == "done"


def test_a_decode_that_is_begun_again_hands_out_each_chunk_once():
    model = Model(runs_out=2)
    at_work = work(model, 1000)
    chunks = list(at_work.chunks(model.decode))
    assert [int(chunk.frames_THWC[0, 0, 0, 0]) for chunk in chunks] == [0, 1, 2]
    assert names(at_work) == ["apart", "tiles"]


def test_a_decode_that_never_fits_fails_with_the_numbers():
    model = Model(runs_out=9)
    with pytest.raises(OutOfMemory, match=f"ran out in {DECODING}"):
        list(work(model, 1000).chunks(model.decode))


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(ZeroDivisionError):
        work(Model(), 1000).do(STEPS, lambda: 1 // 0)


def test_an_error_that_came_from_a_lack_of_memory_is_one():
    try:
        try:
            raise MemoryError
        except MemoryError as lack:
            raise GenerationFailed("the model's vae cannot be loaded") from lack
    except GenerationFailed as error:
        assert ran_out(error)
    assert ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not ran_out(RuntimeError("shapes do not match"))
    assert ran_out(OSError(12, "Cannot allocate memory"))


def test_a_model_without_parts_of_its_own_fails_plainly():
    class Plain:
        pass

    at_work = Work(Plain(), REQUEST, None, KeptParts(10))
    with pytest.raises(OutOfMemory, match="nothing else is known for this model"):
        at_work.do(STEPS, lambda: (_ for _ in ()).throw(MemoryError()))
