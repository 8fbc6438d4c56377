"""A tiny MiniMax-H3 served as any model is, and called with the real Together client: every field of its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_h3
from foreign_cases import film as mp4
from foreign_cases import wav
from generations import Client
from over_http import (
    PICTURE,
    SMALLEST,
    UNGUIDED,
    Make,
    added,
    each_another,
    facts,
    frames,
    heard_for,
    png,
    retimed,
    text,
    warm,
)
from served import Server
from small_requests import film, picture, sound
from tiny_h3 import OLD_NORM

from rushes.catalogue.cards.h3 import CARD
from rushes.catalogue.limits import limits

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

MODEL = "minimax-h3"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST, "seconds": "5"}

SEEN, HEARD = film(20, 30), sound(1, 1.2)  # 40 ms each, as `mp4` writes them
CLIP, SOUNDING = text(mp4(SEEN)), text(mp4(SEEN, sound=HEARD))
VOICE, OTHER_VOICE = (text(wav(sound(seed, 3.5))) for seed in (2, 3))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    folder = tiny_h3.built(place / "h3")
    Path(folder, "LICENSE").write_text("MiniMax H3 COMMUNITY LICENSE AGREEMENT. Not in the European Union.")
    assert "licence" in added(place, MODEL, "--from", folder, fails=True)["error"]["message"]
    added(place, MODEL, "--accept-licence", "--from", folder)
    with warm(place, **ASKED) as server:
        yield server


def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make) -> None:
    media: list[dict[str, Any]] = [
        frames("first"),
        frames("last"),
        frames("first", "last"),
        {"reference_images": [PICTURE]},
        {"reference_images": [PICTURE, png(picture(2))]},
        {"reference_videos": [CLIP]},
        {"reference_videos": [SOUNDING]},
        {"reference_videos": [CLIP], "audio_inputs": [VOICE]},
        {"reference_videos": [CLIP], "audio_inputs": [OTHER_VOICE]},
        {"reference_images": [PICTURE], "reference_videos": [SOUNDING], "audio_inputs": [VOICE]},
    ]
    more: list[dict[str, Any]] = [{"generate_audio": True}, {"seconds": "6"}, {"fps": 12}]
    plain = each_another(made, [*UNGUIDED, *more, *({"media": given} for given in media)])
    assert facts(plain) == (64, 64, 120, 24.0)


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_in_the_file_as_long_as_the_film(made: Make, output_format: str) -> None:
    heard_for(made(generate_audio=True, output_format=output_format)[1], 5.0)


def test_what_was_scaled_retimed_and_left_out_is_said(made: Make) -> None:
    said = retimed(made, 5, media={"reference_videos": [text(mp4(film(50, 150)))]})
    assert "of its 6 s the first 5.17 are looked at" in said


def test_a_resolution_and_a_ratio_are_the_size_that_the_card_says(server: Server, client: Client) -> None:
    asked = {name: value for name, value in ASKED.items() if name not in ("width", "height")}
    sizes = limits(CARD.rules)["size"]["resolution_and_ratio"]["sizes"]
    tiers = [(resolution, ratio, size) for resolution, row in sizes.items() for ratio, size in row.items()]
    assert len(tiers) == 10
    first = server.create(**ASKED)  # while it is made, none of those behind it is begun
    tiers += [("1080P", None, "1920x1080"), (None, "9:16", "720x1280"), (None, None, "1344x768")]
    for resolution, ratio, size in tiers:
        tier = {"resolution": resolution, "ratio": ratio}
        job = client.returned("videos.create", **asked, **{name: value for name, value in tier.items() if value})
        server.cancel(job["id"])
        assert job["size"] == size, tier
    server.completed(first)


SLIVER = png(picture(1, 64, 257))
PARTLY_IN_FRAGMENTS = {"movflags": "frag_keyframe"}


@pytest.mark.parametrize(
    ("media", "param", "code", "said"),
    [
        (
            {"reference_videos": [CLIP, text(mp4(film(50, 5)))]},
            "media.reference_videos[1]",
            "video_too_short",
            "given 0.208 seconds; allowed: at least 0.54 seconds",
        ),
        (
            {"reference_images": [PICTURE, SLIVER]},
            "media.reference_images[1]",
            "media_too_narrow",
            "given 64x257; allowed: one side up to 4 times as long as the other",
        ),
        (
            {"reference_videos": [CLIP], "audio_inputs": [text(wav(sound(2, 1.0)))]},
            "media.audio_inputs[0]",
            "audio_too_short",
            "given 1 seconds; allowed: 3 to 30 seconds",
        ),
    ],
)
def test_an_example_that_it_cannot_read_is_refused_before_the_queue(
    client: Client, media: dict[str, Any], param: str, code: str, said: str
) -> None:
    answer = client.refused("videos.create", **ASKED, media=media)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)
    assert said in answer.error["message"]


def test_one_that_does_not_say_how_short_it_is_ends_the_job_with_the_same_words(server: Server, client: Client) -> None:
    short = text(mp4(film(50, 5), container_options=PARTLY_IN_FRAGMENTS))
    job = server.ended(client.returned("videos.create", **ASKED, media={"reference_videos": [short]})["id"])
    assert job["status"] == "failed"
    for words in ("media.reference_videos[0]", "given 0.208 seconds", "at least 0.54 seconds"):
        assert words in str(job)


def test_the_models_list_says_how_short_and_how_narrow_an_example_may_be(server: Server) -> None:
    rows = {row["id"]: row["limits"]["media"] for row in server.ask("GET", "/v1/models").json()}
    assert rows[MODEL]["reference_videos"]["min_seconds"] == 0.54
    assert rows[MODEL]["reference_images"]["max_aspect_ratio"] == 4


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"negative_prompt": "blurry"}, "negative_prompt"),
        ({"guidance_scale": 4}, "guidance_scale"),
        ({"seconds": "4"}, "seconds"),
        ({"seconds": "15"}, "seconds"),
        ({"prompt": None}, "prompt"),
        ({"resolution": "720P"}, "resolution"),
        ({"width": None, "height": None, "resolution": "480P"}, "resolution"),
        ({"width": None, "height": None, "resolution": "720P", "ratio": "21:9"}, "ratio"),
        ({"media": {"source_video": CLIP}}, "media.source_video"),
        ({"media": {"frame_videos": [CLIP]}}, "media.frame_videos"),
        ({"media": {"audio_inputs": [VOICE]}}, "media.reference_images"),
        ({"media": {**frames("first"), "reference_videos": [CLIP]}}, "media.frame_images"),
        ({"media": frames(60)}, "media.frame_images[0].frame"),
        ({"media": {"reference_images": [PICTURE] * 10}}, "media.reference_images"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], change: dict[str, Any], param: str
) -> None:
    assert refused(**change) == (400, param)
