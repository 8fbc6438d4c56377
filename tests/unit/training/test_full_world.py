"""The full tier's tables and captions: as large as promised, held out as published, and said in proper English."""

from __future__ import annotations

import random
import re
from collections import Counter

from training.full import captions, world
from training.full.dice import Film, throw
from training.full.verbs import acts, conjugate, progressive, third

from rushes.models.mini.text import Tokenizer, split

SUBJECTS = {subject.name: subject for subject in world.SUBJECTS}
SCENES = {scene.name: index for index, scene in enumerate(world.SCENES)}


def films(count: int, seed: int = 1) -> list[Film]:
    rng = random.Random(seed)
    return [throw(rng) for _ in range(count)]


def said_of(subject: str, scene: str, motion: str) -> set[str]:
    return set(acts(SUBJECTS[subject], world.SCENES[SCENES[scene]], world.MOTIONS.index(motion)))


def test_the_world_is_as_large_as_promised_and_every_name_stands_for_one_thing() -> None:
    assert len(world.SUBJECTS) >= 400 and len(world.SCENES) >= 20 and len(world.MOTIONS) >= 12
    names = [subject.name for subject in world.SUBJECTS]
    names += [word.partition("~")[0] for subject in world.SUBJECTS for word in subject.words]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert {subject.kind for subject in world.SUBJECTS} <= set(world.KINDS)
    assert {subject.faces for subject in world.SUBJECTS} == {"", "l", "r"}


def test_the_published_list_holds_a_thousand_combinations_and_leaves_each_subject_most_of_its_own() -> None:
    keys = world.held_out()
    assert keys == frozenset(world.choose_held_out()) and len(keys) >= 1000
    of_each = len(world.SCENES) * len(world.MOTIONS)
    assert max(Counter(subject for subject, _, _ in keys).values()) < of_each / 10
    for column in (1, 2):
        assert len({key[column] for key in keys}) == (len(world.SCENES), len(world.MOTIONS))[column - 1]


def test_no_film_for_training_shows_a_held_out_combination_not_even_by_its_second_subject() -> None:
    for film in films(4000):
        assert film.key not in world.held_out()
        assert film.second < 0 or (film.second, film.scene, film.second_motion) not in world.held_out()
    rng = random.Random(2)
    assert all(throw(rng, keep_out=True).key in world.held_out() for _ in range(200))


def test_the_dice_throw_everything_there_is() -> None:
    thrown = films(12000)
    for name, table in (
        *(("scene", world.SCENES), ("motion", world.MOTIONS), ("light", world.LIGHTS)),
        *(("weather", world.WEATHERS), ("camera", world.CAMERAS), ("subject", world.SUBJECTS)),
    ):
        assert len({getattr(film, name) for film in thrown}) == len(table), name


def test_weather_and_night_come_only_where_there_is_a_sky() -> None:
    for film in films(4000):
        if not world.SCENES[film.scene].outdoors:
            assert film.light == 0 and film.weather == 0


def test_verbs_take_their_endings() -> None:
    assert [third(verb) for verb in ("walk", "rush", "fly", "stay", "go")] == [
        "walks",
        "rushes",
        "flies",
        "stays",
        "goes",
    ]
    written = [progressive(verb) for verb in ("walk", "run", "glide", "fly", "hop", "race", "sway")]
    assert written == ["walking", "running", "gliding", "flying", "hopping", "racing", "swaying"]
    assert conjugate("swim fast", "third") == "swims fast"


def test_verbs_fit_who_does_it_and_where() -> None:
    assert "drive" in said_of("car", "street", "walk left") and "walk" not in said_of("car", "street", "walk left")
    assert "swim" in said_of("shark", "underwater", "walk right")
    assert "fly" in said_of("bird", "sky", "walk right")
    assert "gallop" in said_of("horse", "meadow", "run left")
    assert "waddle" in said_of("penguin", "snow", "walk left")
    assert "sail" in said_of("sailboat", "sea", "walk left") and "sail" not in said_of(
        "sailboat", "desert", "walk left"
    )
    assert "float" in said_of("horse", "space", "walk left") and "walk" not in said_of("horse", "space", "walk left")
    assert "swim" in said_of("dog", "lake", "walk left")


def test_articles_follow_the_ear_and_only_what_can_be_counted_has_one() -> None:
    said = {
        name: captions.article(name) for name in ("apple", "unicorn", "ufo", "hourglass", "eight ball", "suv", "bee")
    }
    expected = {
        "apple": "an",
        "unicorn": "a",
        "ufo": "a",
        "hourglass": "an",
        "eight ball": "an",
        "suv": "an",
        "bee": "a",
    }
    assert said == expected
    rng = random.Random(3)
    for _ in range(300):
        assert not captions.noun_phrase(SUBJECTS["bacon"], rng)[0].startswith(("a ", "an ", "one "))
        phrase, plural = captions.noun_phrase(SUBJECTS["cherries"], rng)
        assert plural and not phrase.startswith(("a ", "an "))


def test_captions_have_no_wrong_article_no_doubled_word_and_no_gap() -> None:
    rng = random.Random(4)
    for film in films(6000, 4):
        text = captions.caption(film, rng)
        lower = text.lower()
        for wrong in re.findall(r"\ba [aeio]\w*|\ban [bcdfgjklmnpqrtvwxyz]\w*", lower):
            assert wrong.startswith("a one"), text
        assert not re.search(r"\b(\w+) \1\b", lower.replace("round and round", "").replace("again and again", "")), text
        assert "  " not in text and " ," not in text and ",," not in text and text == text.strip(" ,"), text


def test_captions_vary_from_bare_to_rich() -> None:
    rng = random.Random(5)
    film = next(f for f in films(500) if world.WEATHERS[f.weather] == "rain" and world.CAMERAS[f.camera] == "zoom in")
    said = [captions.caption(film, rng) for _ in range(400)]
    lengths = [len(split(text)) for text in said]
    assert min(lengths) <= 3 and max(lengths) >= 15 and len(set(said)) > 250


def test_what_can_be_negated_is_said_most_of_the_time_and_never_of_another_film() -> None:
    rng = random.Random(6)
    rain = re.compile(r"\brain")
    for weather, low, high in (("rain", 0.5, 1.0), ("clear", 0.0, 0.0)):
        shown = [f for f in films(9000, 6) if world.WEATHERS[f.weather] == weather and f.second < 0]
        shown = [f for f in shown if world.SCENES[f.scene].name != "jungle"]  # "rainforest"
        shown = [
            f
            for f in shown
            if "rain" not in " ".join((world.SUBJECTS[f.subject].name, *world.SUBJECTS[f.subject].words))
        ]
        share = sum(bool(rain.search(captions.caption(f, rng).lower())) for f in shown[:300]) / 300
        assert low <= share <= high


def test_the_vocabulary_knows_every_word_the_grammar_says() -> None:
    words = captions.vocabulary()
    assert len(words) == len(set(words)) and words[:2] == ["<pad>", "<unk>"]
    known = set(words)
    rng = random.Random(7)
    for film in films(3000, 7):
        unknown = [word for word in split(captions.caption(film, rng)) if word not in known]
        assert not unknown
    tokenizer = Tokenizer(words, 24)
    assert tokenizer.understood("a horse gallops across the beach at sunset").unknown == ()
