"""What a request's media cannot be, over HTTP: refused before there is a job, by what its model makes of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from foreign_cases import corners, image

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
