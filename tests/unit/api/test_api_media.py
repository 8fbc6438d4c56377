"""What a request's media cannot be, over HTTP: refused before there is a job, by what its model makes of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from foreign_cases import corners, film, image, sound, tone, wav

from rushes.catalogue.cards import OPEN
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

WAN, MINI = "wan2.1-vace-1.3b", "rushes/mini"


@pytest.fixture(scope="module")
def videos(store: JobStore, storage: LocalStorage) -> Videos:
    """Doors need no weights."""
    return Videos(Catalogue([CARD, *(card for card in OPEN if card.id == WAN)]), store, storage)


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door()) as client:
        yield client


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


PICTURE = text(image(corners(), "PNG"))


def keyframes(*frames: int | str) -> dict[str, Any]:
    return {"frame_images": [{"input_image": PICTURE, "frame": frame} for frame in frames]}


def answer(client: httpx.Client, model: str, media: dict[str, Any], **fields: Any) -> httpx.Response:
    return client.post("/v2/videos", json={"model": model, "prompt": "a fox runs", "media": media, **fields})


def refusal(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 400, reply.text
    error: dict[str, Any] = reply.json()["error"]
    return error


@pytest.mark.parametrize(("model", "frames"), [(WAN, ("first", 31, 32)), (MINI, ("first", 32, 33)), (MINI, (0, 1))])
def test_two_pictures_on_one_frame_of_the_models_own(client: httpx.Client, model: str, frames: Any) -> None:
    asked = {"fps": 24, "seconds": "2"}
    error = refusal(answer(client, model, keyframes(*frames), **asked))
    assert error["param"] == f"media.frame_images[{len(frames) - 1}].frame"
    assert "the nearest that has one for itself is frame" in error["message"]
    nearest = int(error["message"].rpartition(" ")[2])
    assert answer(client, model, keyframes(*frames[:-1], nearest), **asked).status_code == 200


def clip(count: int, **how: Any) -> str:
    """25 frames a second."""
    return text(film([corners()] * count, **how))


@pytest.mark.parametrize("model", [WAN, MINI])
@pytest.mark.parametrize(
    "how", [{}, {"container_format": "matroska"}, {"container_format": "matroska", "container_options": {"live": "1"}}]
)
def test_a_clip_to_continue_that_is_as_long_as_the_video(client: httpx.Client, model: str, how: dict[str, Any]) -> None:
    whole, less = ({"frame_videos": [{"video": clip(count, **how)}]} for count in (50, 45))
    error = refusal(answer(client, model, whole, seconds="2"))
    assert (error["param"], error["code"]) == ("media.frame_videos[0]", "video_too_long")
    for said in ("given 2 seconds", "allowed: less than the 2 seconds asked for", "ask for more seconds"):
        assert said in error["message"]
    assert answer(client, model, less, seconds="2").status_code == 200
    assert answer(client, model, whole, seconds="3").status_code == 200


@pytest.mark.parametrize("model", [WAN, MINI])
def test_a_picture_where_the_clip_to_continue_still_goes_on(client: httpx.Client, model: str) -> None:
    begun = {"frame_videos": [{"video": clip(25)}]}
    asked = {"seconds": "2", "fps": 24}
    error = refusal(answer(client, model, {**begun, **keyframes(20)}, **asked))
    assert (error["param"], error["code"]) == ("media.frame_images[0].frame", "invalid_value")
    for said in ("given 20", "allowed: frames from 24 on", "move the image"):
        assert said in error["message"]
    assert refusal(answer(client, model, {**begun, **keyframes(23)}, **asked))
    assert answer(client, model, {**begun, **keyframes(24)}, **asked).status_code == 200


@pytest.mark.parametrize(
    ("media", "field", "code", "said"),
    [
        ({"audio_inputs": [text(sound(tone(2.0), 48_000, "mp3", "libmp3lame"))]}, "audio_inputs[0]", "audio_too_short",
         "given 2 seconds; allowed: 3 to 30 seconds"),
        ({"audio_inputs": [text(sound(tone(32.0), 48_000, "mp3", "libmp3lame"))]}, "audio_inputs[0]", "audio_too_long",
         "given 32 seconds; allowed: 3 to 30 seconds"),
        ({"audio_inputs": [text(wav(tone(3.0, 4_000), 4_000))]}, "audio_inputs[0]", "audio_unsupported",
         "given 4000 Hz with 2 channels; allowed: 8000 to 192000 Hz"),
        ({"source_video": clip(3, container_format="matroska", codec="ffv1")}, "source_video", "unsupported_media_type",
         "given a codec that is not taken; allowed: H.264"),
        ({"source_video": text(sound(tone(3.0), 48_000, "mp4", "aac"))}, "source_video", "unsupported_media_type",
         "given a file without such a track"),
        ({"reference_images": [text(image(corners(), "JPEG")[:-9])]}, "reference_images[0]", "image_undecodable",
         "damaged"),
    ],
)  # fmt: skip
def test_a_file_that_says_itself_that_no_decoder_here_takes_it(
    client: httpx.Client, media: dict[str, Any], field: str, code: str, said: str
) -> None:
    error = refusal(answer(client, MINI, media, seconds="1"))
    assert (error["param"], error["code"]) == (f"media.{field}", code)
    assert said in error["message"]


def test_what_is_behind_an_address_is_for_the_job_to_see(client: httpx.Client) -> None:
    media = {"frame_videos": [{"video": "https://example.com/clip.mp4"}], **keyframes(5)}
    assert answer(client, MINI, media, seconds="2").status_code == 200
