"""Films of the full tier as drawn: whole batches of them, showing what their labels say."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from training.full import world  # noqa: E402
from training.full.compose import show  # noqa: E402
from training.full.dice import Film, throw  # noqa: E402
from training.full.sprites import FRAME_PX, PACKED, load  # noqa: E402
from training.render import Films, draw  # noqa: E402
from training.world import tier  # noqa: E402

SIZE = (80, 144)
SUBJECTS = [subject.name for subject in world.SUBJECTS]
SCENES = [scene.name for scene in world.SCENES]


def film(
    subject: str, scene: str, motion: str, camera: str = "static", weather: str = "clear", light: str = "day"
) -> Film:
    thrown = replace(
        throw(random.Random(1)),
        subject=SUBJECTS.index(subject),
        scene=SCENES.index(scene),
        motion=world.MOTIONS.index(motion),
        camera=world.CAMERAS.index(camera),
        weather=world.WEATHERS.index(weather),
        light=world.LIGHTS.index(light),
    )
    return replace(thrown, second=-1, size=0.5, x=0.0, nearer=0.0, speed=1.0, phase=0.0, start_s=0.0)


def shown(*films: Film, frames: int = 8, fps: int = 8) -> Films:
    return show(list(films), SIZE, frames, fps, torch.device("cpu"), 0, [["a film"]] * len(films))


def place_of(films: Films, index: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Across and down, -0.5 to 0.5, and area of what is subject, for every frame."""
    weight = films.weights[index].float()
    area = weight.sum((1, 2)).clamp(min=1)
    x = (weight.sum(1) * torch.linspace(-0.5, 0.5, weight.shape[2])).sum(1) / area
    y = (weight.sum(2) * torch.linspace(-0.5, 0.5, weight.shape[1])).sum(1) / area
    return x, y, area


def test_a_batch_holds_what_was_asked_for() -> None:
    films = draw("full", 3, 7, SIZE, 6, 8, "cpu", sound_rate=8000, captions=3)
    assert films.frames.shape == (3, 6, 3, *SIZE) and films.frames.dtype == torch.uint8
    assert films.weights.shape == (3, 6, 10, 18)
    assert films.sound is not None and films.sound.shape == (3, 6000) and float(films.sound.abs().max()) <= 1
    assert films.reference.shape == (3, 3, 64, 64) and films.reference_clip.shape == (3, 8, 3, 64, 64)
    assert [len(said) for said in films.captions] == [3, 3, 3]
    table = tier("full")
    for name, options in (("subject", table.subjects), ("scene", table.scenes), ("motion", table.motions)):
        assert films.labels[name].shape == (3,) and int(films.labels[name].max()) < len(options)


def test_the_seed_fixes_the_films_and_their_batch_does_not() -> None:
    one, same, other = (draw("full", 2, seed, SIZE, 3, 8, "cpu", sound_rate=8000) for seed in (3, 3, 4))
    assert torch.equal(one.frames, same.frames) and torch.equal(one.sound, same.sound) and one.captions == same.captions
    assert not torch.equal(one.frames, other.frames)
    first, second = film("horse", "beach", "run left"), film("rocket", "space", "rise")
    difference = shown(first).frames[0].int() - shown(second, first).frames[1].int()
    assert int(difference.abs().max()) <= 1


def test_everything_is_drawn_and_sounded_on_the_device_that_was_asked_for() -> None:
    films = draw(
        "full", 24, 1, SIZE, 4, 8, "meta", sound_rate=8000
    )  # a device that refuses to mix with the CPU's tensors
    tensors = (films.frames, films.sound, films.weights, films.reference, films.reference_clip, *films.labels.values())
    assert all(tensor.device.type == "meta" for tensor in tensors if tensor is not None)
    assert films.frames.shape == (24, 4, 3, *SIZE) and films.frames.dtype == torch.uint8


def test_held_out_combinations_are_drawn_when_asked_for() -> None:
    labels = draw("full", 6, 1, SIZE, 1, 8, "cpu", held_out=True).labels
    keys = zip(labels["subject"].tolist(), labels["scene"].tolist(), labels["motion"].tolist(), strict=True)
    assert set(keys) <= world.held_out()


def test_the_packed_sprites_stay_small_and_each_subject_has_one() -> None:
    assert PACKED.stat().st_size < 12e6

    for subject in range(0, len(SUBJECTS), 40):
        loop = load(subject)
        assert loop.shape[1:] == (4, FRAME_PX, FRAME_PX) and 1 <= len(loop) <= 24
        assert bool((loop[:, :3].int() <= loop[:, 3:].int() + 3).all()), "premultiplied"


@pytest.mark.parametrize(("motion", "side"), [("walk left", -1), ("run left", -1), ("walk right", 1), ("run right", 1)])
def test_who_goes_to_a_side_gets_there_and_looks_where_it_goes(motion: str, side: int) -> None:
    going = replace(film("car", "street", motion), start_s=1.2)
    x, _, area = place_of(shown(going))
    assert side * float(x[-1] - x[0]) > 0.08 and float(area.min()) > 1000
    drawn, turned = shown(going, replace(going, subject=SUBJECTS.index("taxi"))).frames, shown(going).frames
    assert torch.equal(drawn[0], turned[0])


def test_who_rises_goes_up_who_falls_goes_down_and_who_stands_stays() -> None:
    films = shown(*(film("pumpkin", "meadow", name) for name in ("rise", "fall", "stand")), frames=12)
    rise, fall, stand = (place_of(films, index)[1] for index in range(3))
    assert float(rise[8] - rise[0]) < -0.15 and float(fall[11] - fall[2]) > 0.15
    assert float(stand.max() - stand.min()) < 0.03


def test_who_approaches_grows_and_who_leaves_shrinks() -> None:
    films = shown(*(film("robot", "room", name) for name in ("approach", "leave")), frames=24)
    near, away = place_of(films, 0)[2], place_of(films, 1)[2]
    assert float(near[-1] / near[0]) > 2 and float(away[-1] / away[0]) < 0.5


def test_the_camera_does_what_its_name_says() -> None:
    names = ("static", "pan right", "pan left", "tilt up", "tilt down", "zoom in", "zoom out")
    films = shown(*(film("rock", "desert", "stand", camera) for camera in names), frames=24)
    places = {name: place_of(films, index) for index, name in enumerate(names)}
    moved = {
        name: (float(x[-1] - x[0]), float(y[-1] - y[0]), float(a[-1] / a[0])) for name, (x, y, a) in places.items()
    }
    assert moved["pan right"][0] < -0.15 and moved["pan left"][0] > 0.15 and abs(moved["static"][0]) < 0.01
    assert moved["tilt up"][1] > 0.05 and moved["tilt down"][1] < -0.05
    assert moved["zoom in"][2] > 1.3 and moved["zoom out"][2] < 0.77


def test_a_following_camera_keeps_its_runner_while_the_place_goes_by() -> None:
    films = shown(film("dog", "city", "run right", "follow"), film("dog", "city", "stand"), frames=16)
    x, _, _ = place_of(films)
    assert float(x.abs().max()) < 0.15
    passing, still = (films.frames[index].float().diff(dim=0).abs().mean() for index in range(2))
    assert float(passing) > 4 * float(still)


def test_night_is_darker_and_fog_is_paler_and_rain_moves() -> None:
    day, night, fog, rain = (
        shown(film("rock", "meadow", "stand", **how)).frames.float()[0]
        for how in ({}, {"light": "night"}, {"weather": "fog"}, {"weather": "rain"})
    )
    assert float(night.mean()) < 0.6 * float(day.mean())
    assert float(fog.std()) < 0.75 * float(day.std())
    assert float(rain.diff(dim=0).abs().mean()) > 3 * float(day.diff(dim=0).abs().mean())


def test_a_boat_on_the_sea_is_hidden_below_the_waterline() -> None:
    sea, land = shown(film("rock", "sea", "stand"), film("rock", "desert", "stand")).weights.float().mean((1, 3))
    assert float(sea[9]) < 3 < float(land[8:].sum())


def test_two_subjects_are_both_seen() -> None:
    alone = film("rabbit", "meadow", "stand")
    pair = replace(alone, x=-0.2, second=SUBJECTS.index("fox"), second_motion=0, second_x=0.25, second_size=0.45)
    weight = shown(pair, replace(alone, x=-0.2)).weights.float().mean(1)
    assert float(weight[0, :, 11:].sum()) > 20 * float(weight[1, :, 11:].sum() + 1)


def test_a_reference_shows_the_same_subject_on_a_plain_ground_and_moves_when_the_subject_does() -> None:
    films = shown(film("horse", "city", "stand"), film("horse", "space", "spin"), film("apple", "room", "stand"))
    for clip in films.reference_clip:
        corners = clip[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].float()
        assert float(corners.std(dim=(0, 2)).max()) < 12, "plain in its corners"
        assert float(clip.float().std()) > 15, "somebody is there"
    horse = films.reference_clip[0].float().diff(dim=0).abs().mean()
    apple = films.reference_clip[2].float().diff(dim=0).abs().mean()
    assert float(horse) > 1 and float(apple) < 0.2


def test_every_scene_looks_different_and_draws_the_same_again() -> None:
    films = [replace(film("ring", scene, "stand"), size=0.05) for scene in SCENES]
    frames = shown(*films, frames=1).frames[:, 0].float()
    small = torch.nn.functional.avg_pool2d(frames, 16).flatten(1)
    distance = torch.cdist(small, small) + 1e6 * torch.eye(len(SCENES))
    assert float(distance.min()) > 100
    assert torch.equal(frames, shown(*films, frames=1).frames[:, 0].float())
