"""Tiny checkpoints that run block by block from words alone, on one server: every field, by the Together client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tiny_blocks
from over_http import PICTURE, SMALLEST, Make, added, each_another, facts, frames, retimed, warm
from served import Server
from tiny_blocks import HUNYUAN_1_5, LTX

MODELS = {"hunyuanvideo-1.5-480p-t2v": (HUNYUAN_1_5, 24), "ltx-video-2b": (LTX, 25)}
CHANGES: list[dict[str, Any]] = [
    {"prompt": "A rocket flies"},
    {"negative_prompt": "blurry"},
    {"steps": 3},
    {"seed": 8},
    {"guidance_scale": 2},
    {"guidance_scale": 1},
]
"""What the door and the encoder do is every model's."""
ASKED: dict[str, Any] = {"model": "hunyuanvideo-1.5-480p-t2v", **SMALLEST}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    for model, (kind, _) in MODELS.items():
        added(place, model, "--accept-licence", "--from", tiny_blocks.built(kind, place / kind))
    with warm(place, **ASKED) as server:
        yield server


@pytest.mark.parametrize("model", MODELS)
def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make, model: str) -> None:
    def of(**changes: Any) -> Any:
        return made(**{"model": model, **changes})

    plain = each_another(of, [*CHANGES, {"seconds": "2"}, {"fps": 12}])
    fps = MODELS[model][1]
    assert facts(plain) == (64, 64, fps, float(fps))


def test_letters_between_quotes_are_drawn_by_words_of_their_own(made: Make) -> None:
    plain, quoted = (made(prompt=f"A shield that says {word}")[1] for word in ("RUSHES", '"RUSHES"'))
    assert plain != quoted


def test_what_was_scaled_and_retimed_is_said(made: Make) -> None:
    retimed(made, 1)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"media": frames("first")}, "media.frame_images"),
        ({"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ({"generate_audio": True}, "generate_audio"),
        ({"seconds": "11"}, "seconds"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_what_they_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], model: str, change: dict[str, Any], param: str
) -> None:
    assert refused(model=model, **change) == (400, param)
