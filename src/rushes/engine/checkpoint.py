"""What an attempt leaves for the next one: the state of a clip between two steps, kept so that it can be trusted.

A checkpoint is an object in storage and a pointer in the job's row. The object is written first, whole and durable;
only then does the row name it, and only after that does the one before it go. Readers follow the pointer, never a
listing, and believe nothing but what has the pointer's hash: anything else starts over, and ends in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from pathlib import Path
from typing import Any

from rushes import __version__
from rushes.catalogue.card import Card
from rushes.contract.events import Keep
from rushes.contract.job import Checkpoint
from rushes.contract.request import ResolvedRequest
from rushes.errors import Unavailable
from rushes.failpoints import failpoint
from rushes.models.adapter import AnyAdapter, State
from rushes.storage.base import Storage

log = logging.getLogger(__name__)

EVERY_S = 5.0  # what a crash costs at most; people who wait minutes do not notice it
LAST_WORTH_S = 1.0  # of steps make it worth keeping the last state: decoding and storing take long, and may fail
MOST_SHARE = 0.05  # of the time that goes into saving: where a save takes long, the next one waits longer


class Unusable(Exception):
    """Why a checkpoint cannot be gone on from, as the end of a sentence."""


class Journal:
    """The checkpoints of one attempt at the job `job`: `found`, which it may go on from, and those that it leaves.

    `keep`     names a checkpoint in the job's row, under the claim's fence.
    `every_s`  the shortest time between two saves; 0 saves after each step.
    """

    def __init__(
        self,
        storage: Storage,
        scratch: Path,
        *,
        job: str,
        attempt: int,
        found: Checkpoint | None,
        keep: Keep,
        every_s: float = EVERY_S,
    ) -> None:
        self._storage = storage
        self._scratch = scratch
        self._job = job
        self._attempt = attempt
        self._found = found
        self._keep = keep
        self._every_s = every_s
        self._kept_at = time.monotonic()
        self._due = self._kept_at + every_s
        self._saved_step = -1

    def resume(self, adapter: AnyAdapter, format: str) -> Any | None:
        """The state that an earlier attempt left; None where there is none, or none that can be trusted."""
        if self._found is None:
            return None
        try:
            state = _read(self._storage, self._job, self._found, format, adapter)
        except Unusable as reason:
            log.warning("job %s starts from step 0: its checkpoint %s", self._job, reason)
            return None
        self._saved_step = state.index
        log.info("job %s goes on from step %d of %d", self._job, state.index, state.num_steps)
        failpoint("restored")
        return state

    def save(self, state: State, format: str, *, now: bool = False) -> None:
        """Keep `state`, if it is time to, or `now`; the last one also earlier, so that a disk which is full only when
        the film is to be stored does not cost the steps again.

        A disk that is full or a database that is away does not end the job: it costs the next attempt some steps.
        """
        began = time.monotonic()
        last = state.index == state.num_steps and began - self._kept_at >= LAST_WORTH_S
        if state.index == self._saved_step or (began < self._due and not last and not now):
            return
        try:
            self._keep(self._put(state.to_bytes(), state.index, format))
        except Unavailable as error:
            log.warning("job %s: no checkpoint of step %d: %s", self._job, state.index, error.message)
        else:
            self._saved_step = state.index
        self._kept_at = time.monotonic()
        took_s = self._kept_at - began
        self._due = self._kept_at + max(self._every_s, took_s / MOST_SHARE if self._every_s else 0.0)

    def _put(self, content: bytes, step: int, format: str) -> Checkpoint:
        key = f"{self._job}.{self._attempt}-{step}-{secrets.token_hex(4)}"
        path = self._scratch / key
        try:
            with path.open("wb") as file:
                middle = len(content) // 2
                file.write(content[:middle])
                file.flush()
                failpoint("checkpoint half")
                file.write(content[middle:])
        except OSError as error:
            path.unlink(missing_ok=True)
            raise Unavailable(f"it could not be written: {error.strerror}") from error
        try:
            self._storage.put_file(key, path)
        finally:
            path.unlink(missing_ok=True)
        failpoint("checkpoint stored")
        return Checkpoint(key, step, format, hashlib.sha256(content).hexdigest())


def format_of(adapter: AnyAdapter, card: Card, request: ResolvedRequest) -> str:
    """One hash over all that must be equal for a clip to be gone on with and to end in the same bytes."""
    said = {
        "rushes": __version__,
        "card": card.id,
        "revision": card.revision,
        "state": adapter.state_format(),
        "request": request.to_json(),
    }
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _read(storage: Storage, job: str, found: Checkpoint, format: str, adapter: AnyAdapter) -> Any:
    if not found.key.startswith(f"{job}."):
        raise Unusable("is another job's")
    if found.format != format:
        raise Unusable("is of another request, model or version")
    try:
        content = b"".join(storage.open_range(found.key))
    except FileNotFoundError:
        raise Unusable("is not there") from None
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != found.sha256:
        raise Unusable(f"is damaged: {len(content)} bytes with another hash than was written")
    try:
        state = adapter.restore(content)
    except ValueError as error:
        raise Unusable(f"is refused by the model: {error}") from error
    if state.index != found.step:
        raise Unusable(f"is of step {state.index}, not of step {found.step}")
    return state
