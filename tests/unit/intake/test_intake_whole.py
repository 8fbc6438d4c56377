"""References that a model takes whole: pictures and clips in their own shape, clips with sound, sounds as examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from foreign_cases import film, wav
from test_intake_open import COLOURS, come, flat, png, text

from rushes.catalogue.card import MediaRule, MediaRules
from rushes.catalogue.cards.mini import CARD
from rushes.contract.media import Media
from rushes.errors import AudioTooLong, AudioTooShort, MediaRefused, MediaTooNarrow, VideoTooShort
from rushes.storage.local import LocalStorage

TWO = MediaRule(2, max_bytes=1 << 24, max_seconds=10, whole=True)
WHOLE = replace(
    CARD,
    rules=replace(
        CARD.rules, media=MediaRules(reference_images=TWO, reference_videos=TWO, audio_inputs=TWO), generate_audio=True
    ),
)
"""A model that does so; its film lasts two seconds, in 24 frames of 144 by 80."""


@pytest.fixture
def inputs(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "inputs")


def tone(hertz: float, seconds: float, rate_hz: int = 48_000) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def test_a_picture_comes_as_it_was_sent(inputs: LocalStorage) -> None:
    sent = np.random.default_rng(1).integers(0, 256, (300, 70, 3), np.uint8)
    came = come(inputs, Media(reference_images=(text(png(sent)),)), card=WHOLE)
    assert np.array_equal(came.inputs.references[0], sent[None])
    assert came.inputs.heard == (None,)
    assert not came.notes, "nothing was done to it"


def test_a_clip_comes_in_its_shape_and_with_what_sounds_beside_it(inputs: LocalStorage) -> None:
    seen = [flat(COLOURS[index // 10], 64, 96) for index in range(40)]  # 40 ms each
    sounding, silent = (text(film(seen, sound=sound)) for sound in (tone(440, 1.6), None))
    came = come(inputs, Media(reference_videos=(sounding, silent)), card=WHOLE)
    for reference in came.inputs.references:
        assert reference.shape == (19, 96, 64, 3), "at twelve frames a second"
    heard, nothing = came.inputs.heard
    assert nothing is None
    assert heard is not None and abs(len(heard) / 48_000 - 1.6) < 0.1
    loudest = np.abs(np.fft.rfft(heard[4_800:52_800, 0])).argmax()
    assert abs(loudest - 440) <= 2


def test_of_a_clip_no_more_comes_than_the_film_lasts(inputs: LocalStorage) -> None:
    clip = text(film([flat(COLOURS[0], 64, 64)] * 75, sound=tone(440, 3.0)))
    came = come(inputs, Media(reference_videos=(clip,)), card=WHOLE)
    assert len(came.inputs.references[0]) == 24
    heard = came.inputs.heard[0]
    assert heard is not None and len(heard) == 2 * 48_000
    assert [note.message for note in came.notes] == ["of its 3 s the first 2 are looked at"]


def test_a_large_clip_comes_smaller(inputs: LocalStorage) -> None:
    clip = text(film([flat(COLOURS[0], 1280, 720)] * 15))
    height, width = come(inputs, Media(reference_videos=(clip,)), card=WHOLE).inputs.references[0].shape[1:3]
    assert 80 <= height <= 2 * 80 and 144 <= width <= 2 * 144
    assert abs(width / height - 1280 / 720) < 0.05


def test_sounds_are_examples_and_not_the_films_own(inputs: LocalStorage) -> None:
    sounds = tuple(text(wav(tone(hertz, seconds, 24_000), 24_000)) for hertz, seconds in ((300, 3.0), (600, 4.0)))
    came = come(inputs, Media(audio_inputs=sounds), card=WHOLE)
    assert came.inputs.sound is None
    assert [len(voice) for voice in came.inputs.voices] == [3 * 48_000, 4 * 48_000]
    assert [note.message for note in came.notes] == [f"of its {seconds} s the first 2 are heard" for seconds in (3, 4)]


@pytest.mark.parametrize(("lasts_s", "taken"), [(1.0, False), (2.5, True), (8.0, True), (11.0, False)])
@pytest.mark.parametrize("stored", [True, False])
def test_a_sound_is_taken_as_long_as_the_model_says_at_the_door_and_behind_it(
    lasts_s: float, taken: bool, stored: bool, tmp_path: Path
) -> None:
    rules = MediaRules(audio_inputs=replace(TWO, min_seconds=2, max_seconds=10))
    card = replace(WHOLE, rules=replace(WHOLE.rules, media=rules))
    place = LocalStorage(tmp_path / "inputs") if stored else None
    media = Media(audio_inputs=(text(wav(tone(300, lasts_s, 24_000), 24_000)),))
    if taken:
        assert len(come(place, media, card=card).inputs.voices) == 1
        return
    with pytest.raises(AudioTooShort if lasts_s < 2 else AudioTooLong) as refused:
        come(place, media, card=card)
    assert (refused.value.field, refused.value.allowed) == ("media.audio_inputs[0]", "2 to 10 seconds")


EXAMPLE = replace(TWO, min_seconds=0.54, max_aspect=4)
PICKY = replace(WHOLE, rules=replace(WHOLE.rules, media=MediaRules(reference_images=EXAMPLE, reference_videos=EXAMPLE)))


@pytest.mark.parametrize(
    ("count", "width", "error", "given"), [(8, 64, VideoTooShort, "0.333 seconds"), (20, 272, MediaTooNarrow, "272x64")]
)
def test_a_clip_that_did_not_say_so_is_refused_once_it_is_opened(
    count: int, width: int, error: type[MediaRefused], given: str
) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    clip = text(film([flat(COLOURS[0], width, 64)] * count, container_options=fragments))
    good = text(film([flat(COLOURS[0], 256, 64)] * 20))
    with pytest.raises(error) as refused:
        come(None, Media(reference_videos=(good, clip)), card=PICKY)  # no door looked at it
    assert (refused.value.field, refused.value.given) == ("media.reference_videos[1]", given)
    assert refused.value.model == PICKY.id and refused.value.hint


def test_a_picture_that_no_door_looked_at_is_refused_once_it_is_opened() -> None:
    with pytest.raises(MediaTooNarrow) as refused:
        come(None, Media(reference_images=(text(png(flat(COLOURS[0], 257, 64))),)), card=PICKY)
    assert refused.value.field == "media.reference_images[0]"
    assert come(None, Media(reference_images=(text(png(flat(COLOURS[0], 256, 64))),)), card=PICKY).inputs.references
