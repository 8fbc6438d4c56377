"""A picture of an unfinished video: its owner's alone, the newest one, and none before or after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from job_moves import claimed, finished

from rushes.api.auth import key_digest
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.jobs.store import JobStore
from rushes.storage.base import preview_key
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}


class Ring:
    def owner_of(self, digest: str) -> str | None:
        return {key_digest(f"{name}-key"): name for name in ("ann", "bob")}.get(digest)


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    return LocalStorage(tmp_path_factory.mktemp("previews"))


@pytest.fixture(scope="module")
def url(open_door: Callable[..., str], store: JobStore, storage: LocalStorage, previews: LocalStorage) -> str:
    return open_door(keys=Ring(), videos=Videos(Catalogue([CARD]), store, storage, previews=previews))


def ask(method: str, url: str, name: str = "ann") -> httpx.Response:
    return httpx.request(
        method, url, headers={"Authorization": f"Bearer {name}-key"}, json=BODY if method == "POST" else None
    )


def test_it_is_there_while_the_video_is_made(
    url: str, store: JobStore, storage: LocalStorage, previews: LocalStorage, tmp_path: Path
) -> None:
    id = ask("POST", f"{url}/v2/videos").json()["id"]
    address = f"{url}/v2/videos/{id}/preview"
    before = ask("GET", address)
    assert (before.status_code, before.json()["error"]["code"]) == (404, "no_preview")
    claim = claimed(store, id)
    for content in (b"noise", b"a fox, nearly"):
        previews.put(preview_key(id), content)
        seen = ask("GET", address)
        assert (seen.status_code, seen.content) == (200, content)
        assert seen.headers["content-type"] == "image/webp"
        assert seen.headers["cache-control"] == "no-store"
    assert ask("GET", address, "bob").json()["error"]["code"] == "video_not_found"
    assert httpx.get(address).status_code == 401
    finished(store, storage, claim, tmp_path)
    assert ask("GET", address).json()["error"]["code"] == "no_preview"


def test_it_goes_with_the_video(url: str, store: JobStore, previews: LocalStorage) -> None:
    id = ask("POST", f"{url}/v2/videos").json()["id"]
    previews.put(preview_key(id), b"noise")
    assert ask("DELETE", f"{url}/v2/videos/{id}").status_code == 200
    with pytest.raises(FileNotFoundError):
        previews.path(preview_key(id))
