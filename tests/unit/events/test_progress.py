"""Time left is learned from finished videos: close for shapes like theirs, and never made up where there are none."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from statistics import median

import pytest

from rushes.contract.request import ResolvedRequest
from rushes.engine import engine
from rushes.errors import Unavailable
from rushes.events.progress import DENOISED, RENEW_EMPTY_S, RENEW_S, History, learned, left_s

BASE = ResolvedRequest(
    model="rushes/mini",
    made_by="rushes/mini",
    revision="1",
    prompt="a fox",
    negative_prompt="",
    width=1280,
    height=720,
    seconds=4.0,
    fps=24,
    num_frames=96,
    steps=20,
    guidance_scale=7.0,
    seed=1,
    output_format="MP4",
    output_quality=20,
    generate_audio=False,
)
SIZES = ((640, 360), (854, 480), (1280, 720), (720, 1280), (1920, 1080))


@dataclass(frozen=True)
class Finished:
    request: ResolvedRequest
    run_s: float
    denoised_s: float | None = None


def shape(width: int, height: int, seconds: float, steps: int) -> ResolvedRequest:
    frames = round(seconds * 24)
    return replace(BASE, width=width, height=height, seconds=seconds, num_frames=frames, steps=steps)


def own_size_s(request: ResolvedRequest) -> float:
    """A model that works at a size of its own, as rushes/mini does: steps cost the same at every size."""
    return 1.5 + 0.12 * request.seconds * request.steps + 2.5e-8 * request.num_frames * request.width * request.height


def asked_size_s(request: ResolvedRequest) -> float:
    """A model that works at the asked size: every step pays for every pixel."""
    return 8 + 6e-8 * request.num_frames * request.width * request.height * request.steps


def some(chance: random.Random) -> ResolvedRequest:
    return shape(*chance.choice(SIZES), chance.choice((1.0, 2.0, 4.0, 6.0, 10.0)), chance.choice((10, 20, 30, 40, 50)))


def errors_of(truth: object, num_runs: int, seed: int) -> list[float]:
    """Relative errors for unseen shapes after `num_runs` runs that jitter by 10 %, one in ten of them a bad day."""
    assert callable(truth)
    chance = random.Random(seed)  # noqa: S311 - a fixed story

    def taken(request: ResolvedRequest) -> float:
        bad_day = 3.0 if chance.random() < 0.1 else 1.0
        return float(truth(request)) * chance.lognormvariate(0, 0.1) * bad_day

    known = learned([Finished(request, taken(request)) for request in (some(chance) for _ in range(num_runs))])
    assert known is not None
    asked = [some(chance) for _ in range(40)]
    return [abs((known.run_s(request) or 0) / truth(request) - 1) for request in asked]


@pytest.mark.parametrize("truth", [own_size_s, asked_size_s])
@pytest.mark.parametrize(("num_runs", "usual", "rare"), [(50, 0.10, 0.30), (15, 0.15, 0.50), (5, 0.40, 1.50)])
def test_shapes_never_made_are_foretold_from_others(truth: object, num_runs: int, usual: float, rare: float) -> None:
    errors = sorted(error for seed in range(10) for error in errors_of(truth, num_runs, seed))
    assert median(errors) < usual
    assert errors[round(len(errors) * 0.9)] < rare


def test_the_same_shape_takes_as_long_as_it_did() -> None:
    runs = [Finished(shape(1280, 720, 4, 20), 10.0), Finished(shape(640, 360, 2, 10), 30.0)]
    known = learned(runs)
    assert known is not None
    assert known.run_s(runs[0].request) == pytest.approx(10.0)
    assert known.run_s(runs[1].request) == pytest.approx(30.0)


def test_one_bad_day_changes_little() -> None:
    calm = [Finished(BASE, 10.0)] * 9
    known = learned([Finished(BASE, 300.0), *calm])
    assert known is not None
    assert known.run_s(BASE) == pytest.approx(10.0, rel=0.05)


def test_a_single_run_is_enough_for_its_own_shape_and_for_no_other() -> None:
    known = learned([Finished(BASE, 10.0)])
    assert known is not None
    assert known.run_s(BASE) == pytest.approx(10.0)
    assert known.run_s(replace(BASE, steps=40)) is None


def test_where_all_runs_had_one_shape_others_are_foretold_with_care() -> None:
    known = learned([Finished(BASE, 10.0)] * 5)
    assert known is not None
    longer, shorter = known.run_s(replace(BASE, steps=40)), known.run_s(replace(BASE, steps=10))
    assert longer is not None and 10 < longer < 20
    assert shorter is not None and 5 < shorter < 10


def test_more_of_anything_never_takes_less() -> None:
    chance = random.Random(3)  # noqa: S311 - a fixed story
    runs = [Finished(request := some(chance), own_size_s(request) * chance.uniform(0.5, 2)) for _ in range(20)]
    known = learned(runs)
    assert known is not None
    assert all(cost >= 0 for cost in known.costs_s)


def test_no_history_gives_no_number() -> None:
    assert learned([]) is None
    assert learned([Finished(BASE, 0.0)]) is None


def test_what_is_left_shrinks_to_nothing() -> None:
    assert left_s(60, 0.0, None) == 60
    assert left_s(60, 0.5, 30) == pytest.approx(30)
    assert left_s(60, 1.0, 61) == 0
    assert left_s(60, 0.5, -86_400) == pytest.approx(30), "the clock was set back, and says nothing"


def test_a_job_slower_than_history_is_believed_the_more_the_further_it_is() -> None:
    early, late = left_s(60, 0.1, 12), left_s(60, 0.8, 96)
    assert 54 < early < 60
    assert 12 < late < 24


class Table:
    def __init__(self) -> None:
        self.runs = [Finished(BASE, 10.0)]
        self.num_reads = 0
        self.now = 0.0
        self.away = False

    def read(self, model: str) -> list[Finished]:
        self.num_reads += 1
        if self.away:
            raise Unavailable("busy")
        return self.runs if model == "rushes/mini" else []


def test_history_is_read_now_and_then_and_per_model() -> None:
    table = Table()
    history = History(table.read, lambda: table.now)
    for _ in range(3):
        known = history.of("rushes/mini")
        assert known is not None and known.run_s(BASE) == pytest.approx(10.0)
        assert history.of("other/model") is None
    assert table.num_reads == 2
    table.now, table.runs = RENEW_S + 1, [Finished(BASE, 20.0)]
    known = history.of("rushes/mini")
    assert known is not None and known.run_s(BASE) == pytest.approx(20.0)


def test_the_first_run_of_a_model_is_noticed_soon() -> None:
    table = Table()
    history = History(table.read, lambda: table.now)
    runs, table.runs = table.runs, []
    assert history.of("rushes/mini") is None
    table.now, table.runs = RENEW_EMPTY_S + 0.1, runs
    assert history.of("rushes/mini") is not None


def test_a_database_that_is_away_leaves_what_was_known() -> None:
    table = Table()
    history = History(table.read, lambda: table.now)
    first = history.of("rushes/mini")
    table.now, table.away = RENEW_S + 1, True
    assert history.of("rushes/mini") == first
    assert history.of("other/model") is None


def test_the_time_that_is_behind_a_job_is_not_its_progress() -> None:
    short, long = shape(640, 360, 1, 20), shape(1920, 1080, 10, 10)
    known = learned([Finished(short, 10.0, 8.0), Finished(long, 30.0, 6.0), Finished(long, 40.0, 12.0)])
    assert known is not None
    assert known.behind(short, DENOISED) == pytest.approx(0.8)
    assert known.behind(long, DENOISED) == pytest.approx(0.25), "behind its last step lies three quarters of its time"
    assert known.behind(long, DENOISED / 2) == pytest.approx(0.125)
    assert known.behind(long, (1 + DENOISED) / 2) == pytest.approx(0.625)
    assert known.behind(replace(BASE, steps=50), DENOISED) == pytest.approx(0.525), "as the shapes that were made"
    for request in (short, long):
        assert (known.behind(request, 0.0), known.behind(request, 1.0)) == (0.0, 1.0)


def test_where_nobody_knows_when_steps_end_progress_is_taken_for_time() -> None:
    known = learned([Finished(BASE, 10.0)])
    assert known is not None
    assert known.behind(BASE, 0.3) == 0.3


def test_the_engine_says_so_much_when_its_last_step_is_taken() -> None:
    assert engine.DENOISED == DENOISED
