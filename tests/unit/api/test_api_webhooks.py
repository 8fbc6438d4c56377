"""`webhook_url` in a request: kept with the job, or refused before there is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.api.together import parse_request
from rushes.errors import InvalidValue, RushesError
from rushes.jobs.store import JobStore
from rushes.videos import Videos

HOOK = "https://app.example.org/hook?order=7"
BODY = {"model": "rushes/mini", "prompt": "A penguin waddles across the snow"}


def asked(videos: Videos, **more: Any) -> str:
    return videos.create("me", parse_request(json.dumps({**BODY, **more}).encode())).id


def test_the_address_goes_with_the_job(videos: Videos, store: JobStore) -> None:
    assert store.get(asked(videos, webhook_url=HOOK)).webhook == HOOK
    assert store.get(asked(videos)).webhook is None
    assert store.get(asked(videos, webhook_url=None)).webhook is None


def test_it_is_no_part_of_what_is_made(videos: Videos, store: JobStore) -> None:
    kept = store.get(asked(videos, webhook_url=HOOK)).request.to_json()
    assert HOOK not in json.dumps(kept)


def test_a_waiting_video_that_is_given_up_owes_its_message(videos: Videos, store: JobStore) -> None:
    id = asked(videos, webhook_url=HOOK)
    videos.cancel("me", id)
    delivery = store.deliveries.claim()
    assert delivery is not None
    assert (delivery.job.id, delivery.url, delivery.event) == (id, HOOK, "video.cancelled")


@pytest.mark.parametrize(
    "url",
    ["", "hook", "http://app.example.org/", "https://127.0.0.1/", "https://app.example.org:22/", "x" * 3000, 7, {}],
)
def test_one_that_could_never_be_called_is_refused_before_there_is_a_job(
    videos: Videos, store: JobStore, url: object
) -> None:
    before = len(store.list("me", limit=100))
    with pytest.raises(InvalidValue) as refusal:
        asked(videos, webhook_url=url)
    assert refusal.value.field == "webhook_url"
    assert isinstance(refusal.value, RushesError)
    assert refusal.value.allowed
    assert len(store.list("me", limit=100)) == before
