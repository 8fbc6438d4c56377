"""Films of the pocket tier come in batches, the same ones for the same seed, and keep the held-out list held out."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from training.pocket import gait, heard  # noqa: E402
from training.render import Film, draw  # noqa: E402
from training.world import MOTIONS, SCENES, SUBJECTS, held_out, tier  # noqa: E402

SIZE = (80, 144)


def test_a_batch_holds_what_was_asked_for() -> None:
    films = draw("pocket", 3, 7, SIZE, 6, 12, "cpu", captions=2)
    assert films.frames.shape == (3, 6, 3, *SIZE) and films.frames.dtype == torch.uint8
    assert films.weights.shape == (3, 6, 10, 18) and int(films.weights.max()) > 200
    assert films.reference.shape == (3, 3, 64, 64) and films.reference_clip.shape == (3, 8, 3, 64, 64)
    assert [len(said) for said in films.captions] == [2, 2, 2]
    table = tier("pocket")
    for name, options in (("subject", table.subjects), ("scene", table.scenes), ("camera", table.cameras)):
        assert all(0 <= index < len(options) for index in films.labels[name].tolist())


def test_the_seed_fixes_the_films() -> None:
    one, same, other = (draw("pocket", 1, seed, SIZE, 2, 12, "cpu") for seed in (3, 3, 4))
    assert torch.equal(one.frames, same.frames) and one.captions == same.captions
    assert not torch.equal(one.frames, other.frames)


@pytest.mark.parametrize("kept", [False, True])
def test_held_out_combinations_are_drawn_when_asked_for_and_only_then(kept: bool) -> None:
    labels = draw("pocket", 12, 1, SIZE, 1, 12, "cpu", held_out=kept).labels
    keys = zip(labels["subject"].tolist(), labels["scene"].tolist(), labels["motion"].tolist(), strict=True)
    assert {held_out(*key) for key in keys} == {kept}


def test_a_size_or_a_tier_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        draw("pocket", 1, 0, (81, 144), 1, 12, "cpu")
    with pytest.raises(ValueError, match="the pocket tier draws the grids"):
        draw("pocket", 1, 0, (80, 80), 1, 12, "cpu")
    with pytest.raises(ValueError, match="there are pocket and full"):
        draw("vast", 1, 0, SIZE, 1, 12, "cpu")


def test_a_jump_is_heard_where_it_lands() -> None:
    film = Film(0, SCENES.index("desert"), MOTIONS.index("jump"), 0, 0, 0, 0.6, 1.0, 0.0, 0.25, 7)
    start_s = 0.5
    loudness = heard([film], [start_s], 3.0, 8000)[0].square().unflatten(0, (-1, 80)).mean(1)  # a hundredth of a second
    landings = [(whole - 1.1 * film.phase) / 1.1 - start_s for whole in range(1, 4)]
    for landing_s in landings:
        at = round(100 * landing_s)
        assert float(loudness[at : at + 8].mean()) > 2 * float(loudness[at - 12 : at - 4].mean())


def test_who_floats_or_rolls_makes_no_steps() -> None:
    who = {subject.name: index for index, subject in enumerate(SUBJECTS)}
    quiet = [("ghost", "forest"), ("taxi", "city"), ("penguin", "space")]
    for name, place in (*quiet, ("penguin", "snow")):
        film = Film(who[name], SCENES.index(place), MOTIONS.index("left"), 0, 0, 0, 0.6, 1.0, 0.0, 0.0, 3)
        assert (gait(film) > 0) == (name == "penguin" and place == "snow")
