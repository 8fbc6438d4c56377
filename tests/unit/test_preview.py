"""Looking at a clip while it is made changes nothing about it, costs little, and may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tiny_model import CARD, State, TinyAdapter

from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.events import Progress
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.engine import preview as room
from rushes.engine.engine import Engine
from rushes.engine.preview import Preview
from rushes.errors import StorageUnavailable
from rushes.models.adapter import Chunk, Frames


@pytest.fixture
def request_of_twelve_steps() -> ResolvedRequest:
    asked = VideoRequest(model=CARD.id, prompt="a fox runs", width=96, height=64, seconds=1.0, fps=15, steps=12)
    return resolve(asked, Catalogue([CARD]).find(CARD.id), lambda: 5)


def made(request: ResolvedRequest, preview: Preview | None, adapter: TinyAdapter | None = None) -> Frames:
    def observe(progress: Progress) -> None:
        pass

    engine = Engine({CARD.adapter: adapter or TinyAdapter()})
    _, chunks = engine.generate(request, CARD, observe, preview=preview)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


def test_the_clip_is_the_same_and_the_looks_show_its_beginning(
    request_of_twelve_steps: ResolvedRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_OF_TIME", 1e9)
    looks: list[Frames] = []
    clip = made(request_of_twelve_steps, Preview(looks.append, 0.0))
    assert (clip == made(request_of_twelve_steps, None)).all()
    assert len(looks) == 12
    assert (looks[-1] == clip[: len(looks[-1])]).all()


def test_looks_keep_their_distance(request_of_twelve_steps: ResolvedRequest) -> None:
    looks: list[Frames] = []
    made(request_of_twelve_steps, Preview(looks.append, 3600.0))
    assert len(looks) == 1


@pytest.mark.parametrize(
    "fault",
    [StorageUnavailable("full"), OSError("gone"), ValueError("no picture")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_look_that_fails_is_the_last_and_the_clip_is_made(
    request_of_twelve_steps: ResolvedRequest, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_OF_TIME", 1e9)
    num_looks = [0]

    def show(_: Frames) -> None:
        num_looks[0] += 1
        raise fault

    shown: Callable[[Frames], None] = show
    assert (made(request_of_twelve_steps, Preview(shown, 0.0)) == made(request_of_twelve_steps, None)).all()
    assert num_looks == [1]


class AtOnce(TinyAdapter):
    """Decodes all of a clip when it is asked to, and has no memory for that while the clip is made."""

    looks = 0

    def decode(self, state: State) -> Iterator[Chunk]:
        if state.index < state.num_steps:
            self.looks += 1
            raise MemoryError
        return super().decode(state)


def test_a_look_for_which_there_is_no_memory_is_the_last_and_the_clip_is_made(
    request_of_twelve_steps: ResolvedRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_OF_TIME", 1e9)
    adapter = AtOnce()
    clip = made(request_of_twelve_steps, Preview(lambda frames: None, 0.0), adapter)
    assert (clip == made(request_of_twelve_steps, None)).all()
    assert adapter.looks == 1
