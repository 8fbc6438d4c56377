"""Asking for a video, through a real catalogue, store and storage."""

from __future__ import annotations

import base64
import errno
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tiny_model import CARD

from rushes.catalogue.card import Card
from rushes.catalogue.cards.mini import CARD as MINI
from rushes.catalogue.lookup import Catalogue
from rushes.contract.artifact import Artifact, Native
from rushes.contract.job import Job, JobState
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import Note, VideoRequest
from rushes.errors import (
    IdempotencyMismatch,
    InvalidValue,
    JobNotFound,
    ModelNotFound,
    StorageUnavailable,
    TooManyRequests,
    UnsupportedMediaType,
)
from rushes.jobs.limits import Idempotency, QueueLimits
from rushes.jobs.store import JobStore
from rushes.storage.ballast import Ballast
from rushes.storage.local import LocalStorage
from rushes.videos import Videos


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "stored")


@pytest.fixture
def videos(store: JobStore, storage: LocalStorage) -> Videos:
    catalogue = Catalogue([CARD], {"minimax/hailuo-02": CARD.id})
    return Videos(catalogue, store, storage, draw_seed=lambda: 4242)


ASKED = VideoRequest(model="Test/Tiny", prompt="a fox runs")


def finish(store: JobStore, storage: LocalStorage, folder: Path) -> Artifact:
    claim = store.claim("w1", [CARD.id])
    assert claim is not None
    (folder / "clip").write_bytes(b"the film")
    artifact = Artifact("clip.mp4", "video/mp4", 8, "ab" * 32, 1366, 768, 24, 144, False, Native(32, 18, 8, 48))
    storage.put_file(artifact.key, folder / "clip")
    store.finish(claim, artifact)
    return artifact


def test_a_created_video_is_settled_and_waits(videos: Videos) -> None:
    job = videos.create("ann", ASKED)
    assert job.state is JobState.QUEUED
    assert (job.request.model, job.request.made_by, job.request.seed) == ("Test/Tiny", CARD.id, 4242)
    assert (job.request.width, job.request.height, job.request.num_frames) == (1366, 768, 144)
    assert videos.get("ann", job.id) == job
    assert videos.list("ann") == (job,)


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (VideoRequest(model="no/such", prompt="x"), ModelNotFound),
        (VideoRequest(CARD.id, "x", width=3, height=3), InvalidValue),
    ],
)
def test_a_refused_request_leaves_nothing(videos: Videos, asked: VideoRequest, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        videos.create("ann", asked)
    assert videos.list("ann") == ()


def with_picture(shade: int) -> VideoRequest:
    held = BytesIO()
    Image.new("RGB", (96, 64), (shade, 0, 0)).save(held, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
    return replace(ASKED, model=MINI.id, media=Media(frame_images=(FrameImage(source, "first"),)))


@pytest.mark.parametrize(
    ("limits", "low_water_bytes", "refusal"),
    [
        (QueueLimits(max_queued=1), 0, TooManyRequests),
        (QueueLimits(max_queued_per_owner=1), 0, TooManyRequests),
        (QueueLimits(max_seconds_per_day_per_owner=9), 0, TooManyRequests),
        (QueueLimits(), 2**60, StorageUnavailable),
    ],
    ids=["all", "theirs", "seconds", "disk"],
)
@pytest.mark.parametrize("reuse", [False, True], ids=["", "reuse"])
def test_what_comes_with_a_request_that_has_no_place_is_not_written_down(
    tmp_path: Path,
    storage: LocalStorage,
    limits: QueueLimits,
    low_water_bytes: int,
    refusal: type[Exception],
    reuse: bool,
) -> None:
    """Or whoever has a key could fill the disk with what is refused."""
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}", limits=limits)
    videos = Videos(Catalogue([MINI]), store, storage)
    videos.create("ann", with_picture(0))
    store.close()
    store = JobStore(
        f"sqlite:///{tmp_path / 'jobs.db'}", limits=limits, disk=Ballast(tmp_path, low_water_bytes=low_water_bytes)
    )
    videos = Videos(Catalogue([MINI]), store, storage)
    before = set(storage.keys(-1))
    for shade in (1, 2, 3):
        with pytest.raises(refusal):
            videos.create("ann", replace(with_picture(shade), reuse=reuse, seed=1))
    store.close()
    assert len(before) == 1
    assert set(storage.keys(-1)) == before


def test_a_picture_beside_one_that_is_refused_is_not_written_down(store: JobStore, storage: LocalStorage) -> None:
    good, bad = with_picture(0).media.frame_images[0], FrameImage("data:image/png;base64,AAAA", "last")
    with pytest.raises(UnsupportedMediaType):
        Videos(Catalogue([MINI]), store, storage).create(
            "ann", replace(ASKED, model=MINI.id, media=Media(frame_images=(good, bad)))
        )
    assert set(storage.keys(-1)) == set()


def test_a_request_sent_again_is_the_same_video_though_its_model_is_gone(
    videos: Videos, store: JobStore, storage: LocalStorage
) -> None:
    again = Idempotency("key", "body", window_s=3600)
    job = videos.create("ann", ASKED, again)
    without = Videos(Catalogue([]), store, storage, draw_seed=lambda: 1)
    replay = without.create("ann", ASKED, again)
    assert (replay.id, replay.replayed, job.replayed) == (job.id, True, False)
    with pytest.raises(IdempotencyMismatch):
        without.create("ann", ASKED, replace(again, body_hash="other"))
    for owner, other in (("bob", again), ("ann", replace(again, key="new")), ("ann", replace(again, window_s=0))):
        with pytest.raises(ModelNotFound):
            without.create(owner, ASKED, other)


def test_a_hosted_id_is_kept_as_asked_and_made_by_the_model_that_is_here(videos: Videos) -> None:
    job = videos.create("ann", VideoRequest(model="minimax/hailuo-02", prompt="a fox runs"))
    assert (job.request.model, job.request.made_by) == ("minimax/hailuo-02", CARD.id)


def test_a_finished_file_is_given_to_whoever_knows_the_secret(
    videos: Videos, store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    job = videos.create("ann", ASKED)
    with pytest.raises(JobNotFound):
        videos.artifact(job.id, job.secret)  # not made yet
    made = finish(store, storage, tmp_path)
    artifact, path = videos.artifact(job.id, job.secret)
    assert (artifact, path.read_bytes()) == (made, b"the film")
    for secret in ("", "x", job.secret[:-1], "é"):
        with pytest.raises(JobNotFound):
            videos.artifact(job.id, secret)
    path.unlink()
    with pytest.raises(JobNotFound):
        videos.artifact(job.id, job.secret)


def test_deleting_takes_the_file_and_the_row(
    videos: Videos, store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    job = videos.create("ann", ASKED)
    finish(store, storage, tmp_path)
    with pytest.raises(JobNotFound):
        videos.delete("bob", job.id)
    assert storage.size("clip.mp4") == 8
    assert videos.delete("ann", job.id).state is JobState.SUCCEEDED
    assert list((tmp_path / "stored").iterdir()) == []
    for look in (lambda: videos.get("ann", job.id), lambda: videos.artifact(job.id, job.secret)):
        with pytest.raises(JobNotFound):
            look()


def read_only(key: str) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_video_whose_file_cannot_be_removed_stays_and_says_why(
    videos: Videos, store: JobStore, storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = videos.create("ann", ASKED)
    finish(store, storage, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", read_only)
        with pytest.raises(StorageUnavailable, match="could not be removed: Read-only file system"):
            videos.delete("ann", job.id)
    videos.delete("ann", job.id)
    assert list(storage.keys(-60)) == []


def test_a_preview_that_cannot_be_removed_does_not_make_a_failure_of_what_was_deleted(
    store: JobStore, storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    previews = LocalStorage(tmp_path / "previews")
    monkeypatch.setattr(previews, "delete", read_only)
    videos = Videos(Catalogue([CARD]), store, storage, previews=previews)
    job = videos.create("ann", ASKED)
    assert videos.delete("ann", job.id).id == job.id
    with pytest.raises(JobNotFound):
        videos.get("ann", job.id)


def test_cancel_ends_a_waiting_video_for_its_owner_only(videos: Videos) -> None:
    job: Job = videos.create("ann", ASKED)
    with pytest.raises(JobNotFound):
        videos.cancel("bob", job.id)
    assert videos.cancel("ann", job.id).state is JobState.CANCELLED


def by(model: Card, store: JobStore, storage: LocalStorage) -> Videos:
    return Videos(Catalogue([model]), store, storage)


def test_what_the_model_says_of_the_prompt_is_on_the_job(store: JobStore, storage: LocalStorage) -> None:
    job = by(replace(CARD, remarks=f"{__name__}:echo"), store, storage).create("ann", ASKED)
    assert job.request.notes[-1] == Note("advice", "prompt", "a fox runs?")


def echo(prompt: str) -> tuple[Note, ...]:
    return (Note("advice", "prompt", f"{prompt}?"),)


def broken(prompt: str) -> tuple[Note, ...]:
    raise MemoryError(prompt)


@pytest.mark.parametrize(
    "named", ["no.such.module:remarks", f"{__name__}:no_such", f"{__name__}:broken", "", ":", ".:x"]
)
def test_remarks_that_fail_never_cost_the_video(
    named: str, store: JobStore, storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    job = by(replace(CARD, remarks=named), store, storage).create("ann", ASKED)
    assert job.state is JobState.QUEUED
    assert "test/tiny has no remarks on prompts" in caplog.text
    assert "a fox" not in caplog.text
