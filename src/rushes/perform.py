"""How a video is made: one job, from its claim to its artifact.

What the request brought along is opened first. The engine makes frames, `fit` brings them to the asked size and rate,
the encoder writes them while the decoder still runs, and the storage makes the file durable. Only then does the worker
publish it, in the job's row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes import __version__
from rushes.catalogue.lookup import Catalogue
from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer, Progress
from rushes.contract.job import Job
from rushes.contract.request import ResolvedRequest
from rushes.egress.policy import EgressPolicy
from rushes.engine.checkpoint import EVERY_S, Journal
from rushes.engine.engine import Engine
from rushes.engine.preview import Preview
from rushes.errors import StorageUnavailable
from rushes.failpoints import failpoint
from rushes.intake.open import Opened, opened
from rushes.media.encode import encode
from rushes.media.fit import fit
from rushes.media.thumbnail import thumbnail
from rushes.models.adapter import Chunk, Frames
from rushes.storage.base import Storage, preview_key


def perform(
    job: Job,
    observe: Observer,
    keep: Keep | None = None,
    *,
    catalogue: Catalogue,
    engine: Engine,
    storage: Storage,
    scratch: Path,
    checkpoints: Storage | None = None,
    checkpoint_every_s: float = EVERY_S,
    inputs: Storage | None = None,
    policy: EgressPolicy = EgressPolicy(),  # noqa: B008 - frozen: one default may be shared
    previews: Storage | None = None,
    preview_every_s: float = 0.0,
) -> Artifact:
    """Make the video of `job` and put it in storage; nothing is left in `scratch`.

    keep         names a checkpoint in the job's row; without it and a storage of `checkpoints`, none are made.
    checkpoints  where they lie; the job goes on from the one in its row.
    inputs       where the files lie that requests brought along; what is behind a URL is fetched under `policy`.
    previews     where a look at the clip is put every `preview_every_s`, under `preview_key`; 0 makes none.
    Errors       what `observe` and `keep` raise, unchanged; `RushesError` with a message the job's owner may read,
                 `StorageUnavailable` among them where the disk is full or fails.
    """
    request = job.request
    card = catalogue.find(request.made_by).card

    journal = None
    if keep is not None and checkpoints is not None and card.stepwise:
        journal = Journal(
            checkpoints,
            scratch,
            job=job.id,
            attempt=job.attempt,
            found=job.checkpoint,
            keep=keep,
            every_s=checkpoint_every_s,
        )
    brought = Opened()
    if request.media.given():
        observe(Progress("loading"))
        native = engine.adapter(card).native(request)
        failpoint("opening")
        brought = opened(request, card.rules.media, native, inputs=inputs or storage, policy=policy, observe=observe)
    preview = None
    if previews is not None and preview_every_s > 0 and card.stepwise:
        native = engine.adapter(card).native(request)
        preview = Preview(partial(_put_preview, previews, job, native.fps), preview_every_s)
    native, chunks = engine.generate(request, card, observe, brought.inputs, journal=journal, preview=preview)
    sound = brought.inputs.sound  # what is given is kept as it is
    if sound is None and request.generate_audio:
        chunks, sound = _with_sound(chunks)
    frames = fit(
        (chunk.frames_THWC for chunk in chunks),
        native,
        width=request.width,
        height=request.height,
        fps=request.fps,
        num_frames=request.num_frames,
    )
    with _workplace(scratch) as folder:
        file = encode(
            frames,
            folder / "clip",
            width=request.width,
            height=request.height,
            fps=request.fps,
            num_frames=request.num_frames,
            output_format=request.output_format,
            output_quality=request.output_quality,
            metadata=described(request),
            audio=sound,
        )
        observe(Progress("storing", fraction=0.99))
        key = storage_key(job)
        storage.put_file(key, file.path)
        failpoint("stored")
    if preview is not None and previews is not None:
        with suppress(OSError):  # a look that stays must not cost the film; of it and of other ends, the sweeper thinks
            previews.delete(preview_key(job.id))

    plan = engine.plan(card)  # as it was at the end: a clip may have gone down the ladder on its way
    return Artifact(
        key=key,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        fps=file.fps,
        num_frames=file.num_frames,
        has_audio=file.has_audio,
        native=native,
        inputs=(*brought.notes, *(plan.notes() if plan is not None else ())),
    )


def _with_sound(chunks: Iterator[Chunk]) -> tuple[Iterator[Chunk], NDArray[np.float32] | None]:
    """All chunks, made by now, and their sound: a file wants the whole of it before its first picture."""
    made = list(chunks)
    parts = [chunk.audio for chunk in made if chunk.audio is not None]
    return iter(made), np.concatenate(parts) if parts else None


@contextmanager
def _workplace(scratch: Path) -> Iterator[Path]:
    try:
        # A folder that cannot be removed must not cost the finished video; the next worker sweeps it away.
        made = TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageUnavailable(f"there is no room to make the video in: {error.strerror}") from error
    with made as folder:
        yield Path(folder)


def _put_preview(previews: Storage, job: Job, fps: float, frames_THWC: Frames) -> None:
    previews.put(preview_key(job.id), thumbnail(frames_THWC, fps))


def described(request: ResolvedRequest) -> dict[str, Any]:
    """What the file says of itself: enough to make it again by someone who knows the prompt, which is not in it."""
    return {
        "software": f"rushes {__version__}",
        "model": request.made_by,
        "revision": request.revision,
        "seed": request.seed,
        "steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "width": request.width,
        "height": request.height,
        "fps": request.fps,
        "seconds": request.seconds,
        "format": request.output_format.lower(),
        "output_quality": request.output_quality,
        "audio": request.generate_audio,
        "quality": request.quality,
        "media": list(request.media.given()),
        **({"loras": [asdict(lora) for lora in request.loras]} if request.loras else {}),
    }


def storage_key(job: Job) -> str:
    """A key no other attempt has: one that lost its claim can remove its own file and nobody else's."""
    return f"{job.id}.{job.attempt}-{secrets.token_hex(4)}.{job.request.output_format.lower()}"
