"""A request with a prompt and nothing else, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue_cases import BY_MINI, PROMPT, SEED, ask, draw, notes

from rushes.catalogue.card import MediaRule, MediaRules
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import random_seed, resolve
from rushes.contract.media import Media
from rushes.contract.request import VideoRequest

EXAMPLES_ONLY = MediaRules(audio_inputs=MediaRule(3, whole=True))
TAKES_EXAMPLES = Catalogue([replace(CARD, rules=replace(CARD.rules, media=EXAMPLES_ONLY))]).find(CARD.id)
"""A model to which a sound is an example of a voice, and not the film's own."""


def test_the_embedded_model_defaults_to_what_the_parameter_page_says() -> None:
    made = ask()
    assert (made.width, made.height, made.seconds, made.fps) == (1366, 768, 6.0, 24)
    assert (made.output_format, made.output_quality, made.generate_audio) == ("MP4", 20, False)
    assert (made.steps, made.num_frames, made.negative_prompt) == (20, 144, "")


def test_every_defaulted_value_is_listed_and_no_other() -> None:
    assert set(notes(ask(), "default")) == {
        "width",
        "height",
        "seconds",
        "fps",
        "steps",
        "guidance_scale",
        "seed",
        "output_format",
        "output_quality",
        "generate_audio",
        "negative_prompt",
    }


def test_a_sound_that_is_sent_is_not_called_no_sound() -> None:
    sent = Media(audio_inputs=("https://example.com/a.wav",))
    assert notes(ask(), "default")["generate_audio"].message == "no sound"
    assert notes(ask(media=sent), "default")["generate_audio"].message == "none is made; the one that was sent is heard"
    assert notes(ask(TAKES_EXAMPLES, media=sent), "default")["generate_audio"].message == "no sound"


def test_a_request_that_says_everything_has_no_defaults_listed() -> None:
    made = ask(
        width=640,
        height=360,
        seconds=2.0,
        fps=24,
        steps=30,
        guidance_scale=5,
        seed=1,
        output_format="mp4",
        output_quality=20,
        generate_audio=False,
        negative_prompt="rain",
    )
    assert notes(made, "default") == {}


def test_a_drawn_seed_is_reported_with_how_to_make_the_video_again() -> None:
    made = ask()
    assert made.seed == SEED
    assert str(SEED) in notes(made, "default")["seed"].message
    assert f"seed={SEED}" in str(notes(made, "default")["seed"].suggestion)


def test_a_given_seed_is_kept_and_none_is_drawn() -> None:
    def never() -> int:
        raise AssertionError("drawn")

    made = resolve(VideoRequest(model="rushes/mini", prompt=PROMPT, seed=7), BY_MINI.find("rushes/mini"), never)
    assert made.seed == 7


def test_drawn_seeds_are_in_range_and_differ() -> None:
    seeds = {random_seed() for _ in range(50)}
    assert len(seeds) > 45
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_same_request_resolves_to_the_same_value() -> None:
    assert ask() == ask()


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(2.5, 24, 60), (1.0, 15, 15), (10.0, 60, 600), (1.99, 25, 50)])
def test_frames_are_seconds_times_rate_rounded(seconds: float, fps: int, frames: int) -> None:
    assert ask(seconds=seconds, fps=fps).num_frames == frames


def test_the_model_is_echoed_as_the_client_wrote_it_and_the_maker_is_named() -> None:
    offer = BY_MINI.find("MiniMax/Hailuo-02")
    made = resolve(VideoRequest(model="MiniMax/Hailuo-02", prompt=PROMPT), offer, draw)
    assert (made.model, made.made_by) == ("MiniMax/Hailuo-02", "rushes/mini")
    assert "rushes/mini" in notes(made, "made")["model"].message


def test_a_model_that_is_really_here_says_nothing_of_standing_in() -> None:
    assert notes(ask("Rushes/MINI"), "made") == {}


def test_what_the_door_said_of_the_body_is_kept_as_warnings() -> None:
    made = ask(warnings=("foo is not a field", "half \ud800"))
    kept = [note.message for note in made.notes if note.kind == "warning"]
    assert kept == ["foo is not a field", "half \\ud800"]


def test_metadata_is_kept() -> None:
    assert ask(metadata={"shot": [1, {"take": "b"}]}).metadata == {"shot": [1, {"take": "b"}]}
