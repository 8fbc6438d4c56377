"""A slice of training stops, leaves small parts, and another goes on from them; what they hold is what was learned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from slice_cases import slice_of  # noqa: E402
from training import slices  # noqa: E402
from training.autoencoder import Autoencoder  # noqa: E402
from training.checkpoint import PART_BYTES, averaged, from_parts, put_parts  # noqa: E402
from training.network import REFERENCE, SOUND, VIDEO, Encoder, Transformer  # noqa: E402
from training.plan import FULL, POCKET, REHEARSAL  # noqa: E402
from training.sequence import Material, Sequence, noise_levels, said, sequence, sound_levels, thrown  # noqa: E402

from rushes.models.mini.sound import VALUES  # noqa: E402
from rushes.models.mini.text import UNKNOWN, Tokenizer  # noqa: E402


def test_a_slice_goes_on_from_parts_on_another_machine(parts: Path, tmp_path: Path) -> None:
    before = json.loads((parts / "transformer.json").read_text())
    assert before["step"] == 2 and before["plan"] == "rehearsal"
    slice_of("transformer", tmp_path / "run", tmp_path / "out", "--start", str(parts), "--steps", "2", "--last")
    after = json.loads((tmp_path / "out" / "transformer.json").read_text())
    assert after["step"] == 4 and after["vocabulary"] == before["vocabulary"]
    assert not any(path.suffix == ".new" for path in (tmp_path / "out").iterdir())


def test_a_slice_goes_on_from_its_own_state_where_that_is_still_there(parts: Path, tmp_path: Path) -> None:
    for _ in range(2):
        slice_of("autoencoder", tmp_path / "run", tmp_path / "out", "--steps", "2")
    assert json.loads((tmp_path / "out" / "autoencoder.json").read_text())["step"] == 4
    state = torch.load(tmp_path / "run" / "autoencoder.pt", weights_only=True)
    assert state["optimizer"][0]["state"], "the optimizer's memory went on too"


def test_the_full_tier_travels_in_parts_that_are_small_enough(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Transformer(**FULL.shape(["<pad>"] * 2000))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 15e6 < count < 30e6
    written = put_parts(model, tmp_path, "transformer", {}, small=True)
    assert max(path.stat().st_size for path in written) <= 16 << 20
    assert len(written) <= 8 and sum(path.stat().st_size for path in written) < 1.1 * count
    again = from_parts(tmp_path, "transformer", Transformer(**FULL.shape(["<pad>"] * 2000)))
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        assert torch.allclose(one, other, atol=float(one.detach().abs().max()) / 120 + 1e-4), name
    assert PART_BYTES < 16 << 20


def test_parts_hold_the_average_that_the_run_kept(parts: Path) -> None:
    kept = averaged(parts.parent / "first" / "autoencoder.pt", Autoencoder(REHEARSAL.codec))
    carried = from_parts(parts, "autoencoder", Autoencoder(REHEARSAL.codec))
    for one, other in zip(kept.parameters(), carried.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-3)


def test_what_is_given_is_clean_and_teaches_nothing() -> None:
    torch.manual_seed(1)
    encoder, words = Encoder(REHEARSAL.codec), REHEARSAL.vocabulary()
    films = slices.drawn(REHEARSAL, 3, REHEARSAL.window * REHEARSAL.codec.frames, "cpu", sound=True)
    seen = [sequence(films, encoder, Tokenizer(words, REHEARSAL.max_words), REHEARSAL) for _ in range(12)]
    kinds = {kind for each in seen for kind in each.kind.unique().tolist()}
    assert kinds == {VIDEO, REFERENCE, SOUND}
    for each in seen:
        assert each.clean.shape[:2] == each.sigma.shape == each.kind.shape == each.weight.shape
        assert not each.sigma[each.kind == REFERENCE].any()
        assert not each.weight[each.sigma == 0].any()
        assert each.position[each.kind == REFERENCE][:, 0].lt(0).all()
        assert torch.equal(each.noisy()[each.sigma == 0], each.clean[each.sigma == 0])


def test_a_right_guess_costs_nothing_and_only_what_is_noisy_counts() -> None:
    clean, sigma = torch.randn(2, 4, 8), torch.tensor([[0.0, 0.5, 1.0, 0.9]] * 2)
    zero = torch.zeros(2, 4, dtype=torch.long)
    seen = Sequence(clean, sigma, torch.zeros(2, 4, 3), zero, zero, (sigma > 0).float())
    assert float(seen.loss(clean)) == 0
    wrong = clean.clone()
    wrong[:, 0] += 9
    assert float(seen.loss(wrong)) == 0
    assert float(seen.loss(clean + 1)) > 1


def test_sound_is_thrown_clean_noisy_or_alone() -> None:
    torch.manual_seed(3)
    pictures, sound = sound_levels(torch.rand(400, 3).clamp(min=0.05), 2)
    assert sound.shape == (400, 6)
    given_sound, dubbed = (sound == 0).all(1).float().mean(), (pictures == 0).all(1).float().mean()
    assert 0.1 < float(given_sound) < 0.3 and 0.05 < float(dubbed) < 0.25


def test_some_clips_do_not_say_who_it_is_most_often_beside_a_reference() -> None:
    torch.manual_seed(5)
    words = torch.tensor([[5, 9, 7, 0]]).expand(4000, -1)
    for referred, share in ((True, 0.5), (False, 0.03)):
        spoken = said(words, frozenset({9}), referred=referred)
        speaking = spoken[spoken.any(1)]
        assert 0.85 < len(speaking) / len(words) < 0.91
        assert abs(float((speaking[:, 1] == UNKNOWN).float().mean()) - share) < 0.03
        assert (speaking[:, (0, 2, 3)] == words[: len(speaking), (0, 2, 3)]).all()


def test_of_some_films_single_moments_are_given() -> None:
    torch.manual_seed(6)
    clean = noise_levels(4000, 4, 2.0) == 0
    last_alone = (clean == torch.tensor([False, False, False, True])).all(1).float().mean()
    begun = (clean == torch.tensor([True, True, False, False])).all(1).float().mean()
    assert float(last_alone) > 0.01 and float(begun) > 0.05
    assert not clean.all(1).any() and 0.5 < float((~clean).all(1).float().mean()) < 0.8


def test_clips_that_are_to_follow_have_their_sound_given_and_their_pictures_to_be_made() -> None:
    torch.manual_seed(7)
    rows, cols = POCKET.grids["16:9"]
    count, frames = 64, POCKET.window
    film = Material(
        video=torch.randn(count, frames, POCKET.codec.channels, rows, cols),
        emphasis=torch.zeros(count, frames * rows * cols),
        words=torch.full((count, POCKET.max_words), 5),
        sound=torch.randn(count, 16 * frames, VALUES),
        references=None,
        follows=torch.arange(count) < 32,
    )
    seen = thrown(film, POCKET, frozenset())
    heard = seen.sigma[seen.kind == SOUND].unflatten(0, (count, -1))
    shown = seen.sigma[seen.kind == VIDEO].unflatten(0, (count, -1))
    assert not heard[:32].any() and heard[32:].any(1).float().mean() > 0.5
    assert shown[:32].any(1).all(), "a picture that is there already teaches nothing"
