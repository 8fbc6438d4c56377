"""In the worker: files become frames on the model's grid, each fetched once, each refused by its place."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_cases import wav
from PIL import Image

from rushes.catalogue.card import Card, MediaRule
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.pace import Pace
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Native
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import VideoRequest
from rushes.egress.policy import EgressPolicy
from rushes.errors import GenerationFailed, ImageUndecodable, InvalidValue, MediaFetchFailed, VideoTooLong
from rushes.intake.copy import copied_in
from rushes.intake.open import Opened, opened
from rushes.media.encode import encode
from rushes.storage.local import LocalStorage

NATIVE = Native(144, 80, 12, 24)
ASKED = {"width": 288, "height": 160, "seconds": 2.0, "fps": 24}
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200)]
AT_HOME = EgressPolicy(networks=(ip_network("127.0.0.0/8"),), ports=frozenset(range(1024, 65536)))


def flat(colour: tuple[int, int, int], width: int = 288, height: int = 160) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def mp4(frames: list[np.ndarray], folder: Path, fps: int = 24) -> bytes:
    height, width, _ = frames[0].shape
    file = encode(
        iter(frames), folder / "made", width=width, height=height, fps=fps, num_frames=len(frames),
        output_format="MP4", output_quality=5, metadata={},
    )  # fmt: skip
    return file.path.read_bytes()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def come(
    inputs: LocalStorage | None,
    media: Media,
    policy: EgressPolicy = AT_HOME,
    card: Card = CARD,
    native: Native = NATIVE,
) -> Opened:
    """Accepted and opened; without a storage as the terminal does it, which keeps nothing."""
    asked = VideoRequest(model=card.id, prompt="a fox", media=media, **ASKED)  # type: ignore[arg-type]
    request = resolve(asked, Catalogue([card]).find(card.id), lambda: 7)
    if inputs is not None:
        request, _ = copied_in(request, card, inputs, policy)
    return opened(request, card.rules.media, native, inputs=inputs, policy=policy)


@pytest.fixture
def inputs(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "inputs")


@contextmanager
def served(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """`content` behind an address of this machine, and the paths that were asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a.png", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("stored", [True, False])
def test_keyframes_come_to_the_native_frames_that_show_their_moment(stored: bool, inputs: LocalStorage) -> None:
    images = tuple(
        FrameImage(text(png(flat(colour))), at) for colour, at in zip(COLOURS[:3], ("first", 13, "last"), strict=True)
    )
    came = come(inputs if stored else None, Media(frame_images=images))
    assert [frame for frame, _ in came.inputs.keyframes] == [0, 6, 23]
    for (_, picture), colour in zip(came.inputs.keyframes, COLOURS, strict=False):
        assert picture.shape == (80, 144, 3)
        assert np.abs(picture.astype(int) - colour).max() <= 1
    assert [note.field for note in came.notes] == [f"media.frame_images[{item}]" for item in range(3)]


def test_a_clip_comes_at_the_models_own_rate(inputs: LocalStorage, tmp_path: Path) -> None:
    clip = mp4([flat(COLOURS[index // 5]) for index in range(25)], tmp_path, fps=25)  # five colours, 0.2 s each
    came = come(inputs, Media(source_video=text(clip)))
    assert came.inputs.source_THWC is not None
    assert came.inputs.source_THWC.shape == (12, 80, 144, 3)
    seen = [
        int(np.argmin([np.abs(frame.astype(int).mean((0, 1)) - c).sum() for c in COLOURS]))
        for frame in came.inputs.source_THWC
    ]
    assert seen == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]  # what is shown at 0, 1/12, 2/12 …
    assert "it ends after 1 s; the rest of the 2 s is made freely" in [note.message for note in came.notes]


def test_a_clip_to_continue_is_the_beginning_and_must_leave_something_to_make(
    inputs: LocalStorage, tmp_path: Path
) -> None:
    short, long = (mp4([flat(COLOURS[0])] * count, tmp_path) for count in (30, 48))
    came = come(inputs, Media(frame_videos=(text(short),)))
    assert came.inputs.lead_in_THWC is not None
    assert len(came.inputs.lead_in_THWC) == 15
    assert came.notes[-1].message == "the video begins with the clip, 1.25 s; what follows is made"
    for kept in (inputs, None):  # at the door, and by whoever opens what the door could not see
        with pytest.raises(VideoTooLong) as refused:
            come(kept, Media(frame_videos=(text(long),)))
        assert (refused.value.field, refused.value.given) == ("media.frame_videos[0]", "2 seconds")


def knows_all() -> Card:
    """The card of a model that takes references and sound too."""
    media = replace(
        CARD.rules.media,
        reference_images=MediaRule(1),
        reference_videos=MediaRule(1),
        audio_inputs=MediaRule(1),
        apart=(),
    )
    return replace(CARD, rules=replace(CARD.rules, media=media))


def test_references_come_as_squares_of_their_middle(inputs: LocalStorage, tmp_path: Path) -> None:
    still = flat(COLOURS[0])
    still[:, :40] = still[:, -40:] = COLOURS[1]  # cut off: the square is 160 pixels of 288
    clip = mp4([flat(COLOURS[2])] * 12, tmp_path)
    media = Media(reference_images=(text(png(still)),), reference_videos=(text(clip),))
    picture, moving = come(inputs, media, card=knows_all()).inputs.references
    assert picture.shape == (1, 80, 80, 3) and np.abs(picture.astype(int) - COLOURS[0]).max() <= 1
    assert moving.shape == (6, 80, 80, 3)


LAID_OVER = MediaRule(1, laid_over=True)
LOOKED_AT = "fill latent frames, and are looked at; the rest of the 2 s is made freely"


def lays_over() -> Card:
    """The card of a model that looks at clips beside the film, eight frames of its own at a time."""
    media = replace(CARD.rules.media, reference_videos=LAID_OVER, source_video=LAID_OVER, pace=Pace(((12, 12),), run=8))
    return replace(CARD, rules=replace(CARD.rules, media=media))


@pytest.mark.parametrize(
    ("frames", "came_frames", "said"),
    [
        (8, 1, f"of its 0.333 s the first 0.0833 s {LOOKED_AT}"),
        (18, 9, "it ends after 0.75 s; the rest of the 2 s is made freely"),
        (24, 9, f"of its 1 s the first 0.75 s {LOOKED_AT}"),
        (48, 25, None),
        (72, 25, "of its 3 s the first 2 are looked at"),
    ],
)
@pytest.mark.parametrize("member", ["reference_videos", "source_video"])
def test_a_clip_laid_over_the_film_comes_in_whole_latent_frames_of_its_size(
    inputs: LocalStorage, tmp_path: Path, member: str, frames: int, came_frames: int, said: str | None
) -> None:
    clip = text(mp4([flat(COLOURS[index // 24]) for index in range(frames)], tmp_path))
    media = Media(reference_videos=(clip,)) if member == "reference_videos" else Media(source_video=clip)
    came = come(inputs, media, card=lays_over(), native=replace(NATIVE, num_frames=25))
    found = came.inputs.references[0] if member == "reference_videos" else came.inputs.source_THWC
    assert found is not None and found.shape == (came_frames, 80, 144, 3)
    seen = [int(np.argmin([np.abs(frame.mean((0, 1)) - colour).sum() for colour in COLOURS])) for frame in found]
    assert seen == [min(2 * index, frames - 1) // 24 for index in range(came_frames)], "the end stands still"
    _cut, *ending = (note.message for note in came.notes)
    assert ending == ([] if said is None else [said])


def test_of_a_clip_longer_than_the_film_no_more_is_brought_to_its_size_than_is_looked_at(
    inputs: LocalStorage, tmp_path: Path
) -> None:
    num_frames, frame_bytes = 600, 80 * 144 * 3
    clip = text(mp4([np.full((16, 16, 3), 99, np.uint8)] * num_frames, tmp_path))
    tracemalloc.start()
    try:
        came = come(inputs, Media(source_video=clip), card=lays_over(), native=replace(NATIVE, num_frames=25))
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert came.inputs.source_THWC is not None and came.inputs.source_THWC.nbytes == 25 * frame_bytes
    assert most_bytes < num_frames // 4 * frame_bytes


def test_sound_comes_at_the_films_rate_and_what_is_heard_of_it_is_said(inputs: LocalStorage) -> None:
    samples = np.full((3 * 24_000, 2), 0.25, np.float32)
    came = come(inputs, Media(audio_inputs=(text(wav(samples, 24_000)),)), card=knows_all())
    assert came.inputs.sound is not None and came.inputs.sound.shape == (3 * 48_000, 2)
    assert np.abs(came.inputs.sound[1_000:-1_000] - 0.25).max() < 0.01
    assert [note.message for note in came.notes] == ["of its 3 s the first 2 are heard"]


def test_a_keyframe_inside_the_clip_to_continue_is_refused(inputs: LocalStorage, tmp_path: Path) -> None:
    clip, still = text(mp4([flat(COLOURS[0])] * 24, tmp_path)), text(png(flat(COLOURS[1])))
    assert come(inputs, Media(frame_videos=(clip,), frame_images=(FrameImage(still, 30),))).inputs.keyframes
    for kept in (inputs, None):
        with pytest.raises(InvalidValue) as refused:
            come(kept, Media(frame_videos=(clip,), frame_images=(FrameImage(still, 23),)))
        assert (refused.value.field, refused.value.allowed) == ("media.frame_images[0].frame", "frames from 24 on")
    assert come(inputs, Media(frame_videos=(clip,), frame_images=(FrameImage(still, 24),))).inputs.keyframes


def test_keyframes_closer_than_the_models_frames_are_refused(inputs: LocalStorage) -> None:
    still = text(png(flat(COLOURS[0])))
    with pytest.raises(InvalidValue) as refused:
        come(inputs, Media(frame_images=(FrameImage(still, 20), FrameImage(still, 21))))
    assert refused.value.field == "media.frame_images[1].frame"


def test_an_address_is_fetched_once_however_often_the_job_is_tried(inputs: LocalStorage) -> None:
    with served(png(flat(COLOURS[2]))) as (url, asked):
        wanted = VideoRequest(model=CARD.id, media=Media(frame_images=(FrameImage(url),)), **ASKED)  # type: ignore[arg-type]
        request, keys = copied_in(resolve(wanted, Catalogue([CARD]).find(CARD.id), lambda: 7), CARD, inputs, AT_HOME)
        assert asked == []
        first, again = (
            opened(request, CARD.rules.media, NATIVE, inputs=inputs, policy=AT_HOME).inputs for _ in range(2)
        )
        assert asked == ["/a.png"]
    assert np.array_equal(first.keyframes[0][1], again.keyframes[0][1])
    assert (
        hashlib.sha256(b"".join(inputs.open_range(keys[0]))).digest() == hashlib.sha256(png(flat(COLOURS[2]))).digest()
    )


def test_what_cannot_be_had_or_opened_names_its_item(inputs: LocalStorage) -> None:
    good = text(png(flat(COLOURS[0])))
    broken = text(png(flat(COLOURS[0]))[:60] + bytes(100))
    with pytest.raises(ImageUndecodable) as undecodable:
        come(inputs, Media(frame_images=(FrameImage(good), FrameImage(broken))))
    assert undecodable.value.field == "media.frame_images[1]"
    with pytest.raises(MediaFetchFailed) as unfetched:
        come(inputs, Media(frame_images=(FrameImage("http://127.0.0.1:9/a.png"),)), EgressPolicy(
            networks=AT_HOME.networks, ports=frozenset((9,))
        ))  # fmt: skip
    assert unfetched.value.field == "media.frame_images[0]"


def test_an_input_that_is_gone_ends_the_job_with_its_name(inputs: LocalStorage) -> None:
    media = Media(frame_images=(FrameImage(text(png(flat(COLOURS[0])))),))
    wanted = VideoRequest(model=CARD.id, media=media, **ASKED)  # type: ignore[arg-type]
    request, keys = copied_in(resolve(wanted, Catalogue([CARD]).find(CARD.id), lambda: 7), CARD, inputs, AT_HOME)
    inputs.delete(keys[0])
    with pytest.raises(GenerationFailed, match=r"media\.frame_images\[0\]: the file that was sent is not kept"):
        opened(request, CARD.rules.media, NATIVE, inputs=inputs, policy=AT_HOME)
