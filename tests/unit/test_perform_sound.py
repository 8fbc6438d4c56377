"""Sound on its way into the file: what the model made, or what was sent, as it was sent."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from foreign_cases import wav
from tiny_mini import write_tiny_weights

from rushes.catalogue.card import Card, MediaRule
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Artifact
from rushes.contract.job import Job, JobState
from rushes.contract.media import Media
from rushes.contract.request import VideoRequest
from rushes.engine.engine import Engine
from rushes.models.mini.adapter import MiniAdapter
from rushes.perform import perform
from rushes.storage.local import LocalStorage


def loud_card() -> Card:
    media = replace(CARD.rules.media, audio_inputs=MediaRule(1))
    return replace(CARD, rules=replace(CARD.rules, media=media, generate_audio=True))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> MiniAdapter:
    return MiniAdapter(write_tiny_weights(tmp_path_factory.mktemp("loud"), kinds=True))


def film(adapter: MiniAdapter, folder: Path, **fields: object) -> tuple[Artifact, np.ndarray | None]:
    """The artifact, and its sound as one row of samples; None where the file holds none."""
    size = {"width": 96, "height": 64, "seconds": 2, "fps": 15, "seed": 5, "steps": 10}
    card = loud_card()
    asked = VideoRequest(model=card.id, prompt="a penguin", **size, **fields)  # type: ignore[arg-type]
    request = resolve(asked, Catalogue([card]).find(card.id), lambda: 1)
    job = Job("0190-id", "ann", request, JobState.RUNNING, "secret", 0.0)
    storage = LocalStorage(folder / "stored")
    engine = Engine({card.adapter: adapter})
    artifact = perform(job, lambda _: None, catalogue=Catalogue([card]), engine=engine, storage=storage, scratch=folder)
    with av.open(str(storage.path(artifact.key))) as container:
        if not container.streams.audio:
            return artifact, None
        return artifact, np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_a_film_asked_for_with_sound_has_it_from_beginning_to_end(adapter: MiniAdapter, tmp_path: Path) -> None:
    artifact, sound = film(adapter, tmp_path, generate_audio=True)
    assert artifact.has_audio and sound is not None
    assert abs(len(sound) - 2 * 48_000) < 4_096
    halves = np.abs(sound[4_096:48_000]).max(), np.abs(sound[48_000:-4_096]).max()
    assert min(halves) > 1e-3


def test_a_film_is_silent_unless_asked_otherwise(adapter: MiniAdapter, tmp_path: Path) -> None:
    artifact, sound = film(adapter, tmp_path)
    assert not artifact.has_audio and sound is None


def test_the_sound_that_was_sent_is_the_films_own(adapter: MiniAdapter, tmp_path: Path) -> None:
    time_s = np.arange(3 * 48_000) / 48_000
    tone = np.repeat((0.4 * np.sin(2 * np.pi * 700 * time_s))[:, None], 2, 1).astype(np.float32)
    sent = base64.b64encode(wav(tone)).decode()
    artifact, sound = film(adapter, tmp_path, media=Media(audio_inputs=(sent,)))
    assert artifact.has_audio and sound is not None
    inner = sound[8_192:-8_192]
    power = np.abs(np.fft.rfft(inner * np.hanning(len(inner)))) ** 2
    strongest = power.argmax()
    assert strongest * 48_000 / len(inner) == pytest.approx(700, abs=2)
    assert power[strongest - 3 : strongest + 4].sum() > 0.99 * power.sum(), "the tone, and not the model's idea of it"
