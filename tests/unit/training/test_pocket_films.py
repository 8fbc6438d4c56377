"""Films of the pocket tier come in batches, the same ones for the same seed, and keep the held-out list held out."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from training.render import draw  # noqa: E402
from training.world import held_out, tier  # noqa: E402

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
