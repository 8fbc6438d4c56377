"""In the worker: every input fetched once, decoded in a process that is thrown away, and fitted to the model's grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rushes.catalogue.card import MediaRule, MediaRules
from rushes.catalogue.inputs import own_places
from rushes.catalogue.pace import num_shown
from rushes.contract.artifact import Native
from rushes.contract.events import Observer, Progress
from rushes.contract.request import Note, ResolvedRequest
from rushes.egress.fetch import fetch
from rushes.egress.policy import EgressPolicy
from rushes.errors import GenerationFailed, MediaRefused
from rushes.intake.references import Fetched, Kept, referred
from rushes.intake.within import check_beginning, check_length, check_shape, image_limits, sound_limits, video_limits
from rushes.media.cover import Cover, shown_at
from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.encode import AUDIO_RATE_HZ
from rushes.media.resample import resampled
from rushes.media.source import inline, is_url
from rushes.media.timetable import native_count
from rushes.models.adapter import NO_INPUTS, Frames, Inputs
from rushes.storage.base import Storage

Samples = NDArray[np.float32]
Shown = NDArray[np.intp]
"""Of each native frame, the number of the clip's own that is shown at its moment; rising."""

FETCH_S = 60.0  # for one file of up to 200 MB, connection and redirects included


@dataclass(frozen=True, slots=True)
class Opened:
    """What the model reads, and what was done to the files on the way: notes of kind "made"."""

    inputs: Inputs = NO_INPUTS
    notes: tuple[Note, ...] = ()


def opened(
    request: ResolvedRequest,
    rules: MediaRules,
    native: Native,
    *,
    inputs: Storage | None,
    policy: EgressPolicy,
    observe: Observer = lambda progress: None,
) -> Opened:
    """The media of `request`, opened. `inputs` is where they are kept; without it they are in the request itself.

    `observe` is called before each file, and may raise to end the job.
    Errors  `Refused` naming the item: MediaFetchFailed, MediaRefused, InvalidValue; Unavailable where nothing can be
            opened now; GenerationFailed where an input that was kept is gone.
    """
    notes: list[Note] = []
    opening = _Opening(request, rules, native, inputs, policy, notes)
    places = own_places(request, native.fps, native.num_frames)
    keyframes: list[tuple[int, Frames]] = []
    references: list[tuple[Frames, Samples | None]] = []
    sounds: list[Samples] = []
    lead_in = source = None
    for member, path, where in request.media.items():
        observe(Progress("encoding"))
        with _named(path):
            if member == "frame_images":
                keyframes.append((places[len(keyframes)], opening.picture(member, path, where)))
            elif member == "frame_videos":
                lead_in = opening.clip(member, path, where)
            elif member == "source_video":
                source = opening.over(member, path, where)
            elif member == "reference_images":
                references.append((opening.picture(member, path, where, square=True)[None], None))
            elif member == "reference_videos":
                references.append(opening.reference(member, path, where))
            elif member == "audio_inputs":
                sounds.append(opening.sound(member, path, where))
            else:
                raise GenerationFailed(f"{path} was accepted, but nothing here opens it")
    if lead_in is not None:
        check_beginning(len(lead_in), places, request, native.fps)
        notes.append(_beginning(lead_in, native))
    whole = rules.audio_inputs.whole
    given = Inputs(
        tuple(keyframes),
        lead_in,
        source,
        tuple(frames for frames, _ in references),
        sounds[-1] if sounds and not whole else None,
        heard=tuple(heard for _, heard in references),
        voices=tuple(sounds) if whole else (),
    )
    return Opened(given, tuple(notes))


class _Opening:
    def __init__(
        self,
        request: ResolvedRequest,
        rules: MediaRules,
        native: Native,
        inputs: Storage | None,
        policy: EgressPolicy,
        notes: list[Note],
    ) -> None:
        self._request = request
        self._rules = rules
        self._native = native
        self._inputs = inputs
        self._policy = policy
        self._notes = notes

    def picture(self, member: str, path: str, where: str, *, square: bool = False) -> Frames:
        """(native height, native width, 3), or a square of the shorter of both, or as it is where taken whole."""
        rule = self._rules.of(member)
        limits = image_limits(rule)
        given = decode_image(self._bytes(where, path, limits.max_bytes), limits).rgb_HWC
        self._check_shape(given, rule)
        if rule.whole:
            return given
        return self._cover(given, path, square)(given)

    def clip(self, member: str, path: str, where: str, *, square: bool = False) -> Frames:
        """(T, native height, native width, 3) at the native rate, all of the clip; or squares."""
        return _covered(*self._decoded(member, path, where, square=square))

    def over(self, member: str, path: str, where: str) -> Frames:
        """A clip laid over the film from its first frame on: as much of it as the model looks at."""
        given, clip, cover = self._decoded(member, path, where)
        native, pace = self._native, self._rules.pace
        # Cut before a frame is brought to the model's size: all of a minute would be gigabytes for a film of a second.
        read, shown = clip[: native.num_frames], num_shown(self._request.seconds, native.fps)
        if self._rules.of(member).laid_over and pace is not None:
            if len(read) < shown:  # a latent frame is there or it is not
                read = read[: pace.whole(len(read))]
            else:  # what is made to be cut off stands still
                read = np.pad(read, (0, native.num_frames - len(read)), mode="edge")
        self._notes.extend(_ending(path, len(clip), min(len(read), shown), self._request, native))
        return _covered(given, read, cover)

    def _decoded(self, member: str, path: str, where: str, *, square: bool = False) -> tuple[Frames, Shown, Cover]:
        """A clip's own frames, which of them each native one shows, and what brings one to the native size."""
        rule = self._rules.of(member)
        limits = replace(video_limits(rule), grid=(self._native.width, self._native.height))
        given = decode_video(self._bytes(where, path, limits.max_bytes), limits)
        self._check_shape(given.frames_THWC[0], rule)
        cover = self._cover(given.frames_THWC[0], path, square)
        fps = self._native.fps
        shown = shown_at(given.times_s, fps, native_count(given.times_s.tolist(), fps))
        check_length(len(shown) / fps, rule, self._request.made_by)
        return given.frames_THWC, shown, cover

    def reference(self, member: str, path: str, where: str) -> tuple[Frames, Samples | None]:
        """A clip of whom the film is about: squares; laid over it where that is meant; where taken whole, as it is.

        The last with its sound if it has one, as much as the film lasts, of about its own frame's pixels.
        """
        rule, native = self._rules.of(member), self._native
        if rule.laid_over:
            return self.over(member, path, where), None
        if not rule.whole:
            return self.clip(member, path, where, square=True), None
        limits = replace(video_limits(rule), grid=(native.width // 2, native.height // 2), sound=True)
        given = decode_video(self._bytes(where, path, limits.max_bytes), limits)
        self._check_shape(given.frames_THWC[0], rule)
        shown = shown_at(given.times_s, native.fps, native_count(given.times_s.tolist(), native.fps))
        lasts_s, film_s = len(shown) / native.fps, native.num_frames / native.fps
        check_length(lasts_s, rule, self._request.made_by)
        if lasts_s > film_s:
            self._notes.append(Note("made", path, f"of its {lasts_s:.3g} s the first {film_s:.3g} are looked at"))
        frames: Frames = given.frames_THWC[shown[: native.num_frames]]
        if given.audio is None:
            return frames, None
        heard = resampled(given.audio.samples, given.audio.rate_hz, AUDIO_RATE_HZ)
        return frames, heard[: round(film_s * AUDIO_RATE_HZ)]

    def sound(self, member: str, path: str, where: str) -> Samples:
        """(samples, 2) at the rate of a film's sound."""
        rule = self._rules.of(member)
        limits = sound_limits(rule)
        given = decode_audio(self._bytes(where, path, limits.max_bytes), limits)
        lasts_s = len(given.samples) / given.rate_hz
        if lasts_s > self._request.seconds:
            self._notes.append(
                Note("made", path, f"of its {lasts_s:.3g} s the first {self._request.seconds:g} are heard")
            )
        elif lasts_s < self._request.seconds and not rule.whole:
            self._notes.append(Note("made", path, f"it ends after {lasts_s:.3g} s; the rest is silent"))
        return resampled(given.samples, given.rate_hz, AUDIO_RATE_HZ)

    def _check_shape(self, picture: Frames, rule: MediaRule) -> None:
        height, width, _ = picture.shape
        check_shape(width, height, rule, self._request.made_by)

    def _cover(self, picture: Frames, path: str, square: bool) -> Cover:
        height, width, _ = picture.shape
        if square:
            side = min(self._native.width, self._native.height)
            cover = Cover(width, height, replace(self._native, width=side, height=side), side, side)
        else:
            cover = Cover(width, height, self._native, self._request.width, self._request.height)
        self._notes.append(Note("made", path, cover.said))
        return cover

    def _bytes(self, where: str, path: str, max_bytes: int) -> bytes:
        input = referred(where)
        if isinstance(input, Kept):
            return self._kept(input.key, path)
        if isinstance(input, Fetched):
            return self._fetched(input, path, max_bytes)
        return self._fetch(where, path, max_bytes) if is_url(where) else inline(where, path)

    def _kept(self, key: str, path: str) -> bytes:
        if self._inputs is None:
            raise GenerationFailed(f"{path}: this worker has no storage of inputs")
        try:
            return b"".join(self._inputs.open_range(key))
        except FileNotFoundError:
            raise GenerationFailed(f"{path}: the file that was sent is not kept any more") from None

    def _fetched(self, input: Fetched, path: str, max_bytes: int) -> bytes:
        """From storage where an earlier attempt put it, else from its address, and then into storage."""
        if self._inputs is None:
            return self._fetch(input.url, path, max_bytes)
        try:
            return b"".join(self._inputs.open_range(input.key))
        except FileNotFoundError:
            content = self._fetch(input.url, path, max_bytes)
            self._inputs.put(input.key, content)
            return content

    def _fetch(self, url: str, path: str, max_bytes: int) -> bytes:
        return fetch(url, max_bytes=max_bytes, deadline_s=FETCH_S, policy=self._policy, field=path).data


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Says in which item of the request a file stood that cannot be used."""
    try:
        yield
    except MediaRefused as error:
        raise error.at(path) from None


def _covered(frames_THWC: Frames, shown: Shown, cover: Cover) -> Frames:
    """The frames of a clip that are `shown`, each brought to its size once."""
    first = cover(frames_THWC[shown[0]])
    covered = np.empty((len(shown), *first.shape), first.dtype)
    covered[0] = first
    for at, (before, index) in enumerate(pairwise(shown), 1):
        covered[at] = covered[at - 1] if index == before else cover(frames_THWC[index])
    return covered


def _beginning(lead_in: Frames, native: Native) -> Note:
    lasts = f"{len(lead_in) / native.fps:.3g} s"
    return Note("made", "media.frame_videos[0]", f"the video begins with the clip, {lasts}; what follows is made")


def _ending(path: str, given: int, looked_at: int, request: ResolvedRequest, native: Native) -> list[Note]:
    """What is said of a clip laid over the film, of whose frames so many are looked at. Numbers of native frames."""
    lasts, seen = (f"{frames / native.fps:.3g} s" for frames in (given, looked_at))
    free = f"the rest of the {request.seconds:g} s is made freely"
    if looked_at == num_shown(request.seconds, native.fps):
        said = f"of its {lasts} the first {request.seconds:g} are looked at" if given > looked_at else ""
    elif looked_at < given:
        said = f"of its {lasts} the first {seen} fill latent frames, and are looked at; {free}"
    else:
        said = f"it ends after {lasts}; {free}"
    return [Note("made", path, said)] if said else []
