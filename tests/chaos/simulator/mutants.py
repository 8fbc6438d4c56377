"""The engine with one of its guards taken out. A simulator that lets one of these live proves nothing.

Each is a patch of the engine as it is; where the engine is rewritten so that a patch no longer fits, the patch fails.
Taking the state alone out of the fence changes nothing, because a job that is not running has no token either: two
guards for one promise. So that mutant takes out both.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, update

from rushes import perform as recipe
from rushes.contract.job import Checkpoint, Job, JobState
from rushes.engine import checkpoint as journal
from rushes.jobs import accept, claims, kept, limits, rescue, rows, store, worker
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.store import JobStore
from rushes.jobs.tables import jobs, usage

Mutant = Callable[[], AbstractContextManager[Any]]
Held = Callable[[Claim], tuple[Any, ...]]

_held: Held = claims.held


_thread = threading.local()  # a patch that comes and goes with a call would hold for all who go on meanwhile


@contextmanager
def _while_called(method: str, held: Held) -> Iterator[None]:
    """`held` is the fence inside this one method of the store."""
    whole = getattr(JobStore, method)

    def call(self: JobStore, *given: Any, **named: Any) -> Any:
        _thread.inside = True
        try:
            return whole(self, *given, **named)
        finally:
            _thread.inside = False

    def either(claim: Claim) -> tuple[Any, ...]:
        return held(claim) if getattr(_thread, "inside", False) else _held(claim)

    with patch.object(JobStore, method, call), patch.object(claims, "held", either):
        yield


def _by_id(claim: Claim) -> tuple[Any, ...]:
    return (jobs.c.id == claim.job.id,)


def _by_id_and_state(claim: Claim) -> tuple[Any, ...]:
    return (jobs.c.id == claim.job.id, jobs.c.state == JobState.RUNNING)


def _by_id_and_token(claim: Claim) -> tuple[Any, ...]:
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token)


def fence_dropped() -> AbstractContextManager[Any]:
    return patch.object(claims, "held", _by_id)


def fence_without_token() -> AbstractContextManager[Any]:
    return patch.object(claims, "held", _by_id_and_state)


@contextmanager
def fence_without_state() -> Iterator[None]:
    end, requeued = rows.end, rows.requeued

    def keeps_token(connection: Connection, now: Any, where: Any, *rest: Any, **values: Any) -> Any:
        return end(connection, now, where, *rest, **{"token": jobs.c.token, **values})

    def requeued_with_token(**given: Any) -> dict[str, Any]:
        return {name: value for name, value in requeued(**given).items() if name != "token"}

    with ExitStack() as stack:
        stack.enter_context(patch.object(claims, "held", _by_id_and_token))
        for module in (claims, rescue, store):
            stack.enter_context(patch.object(module, "end", keeps_token))
        for module in (accept, claims, rescue):
            stack.enter_context(patch.object(module, "requeued", requeued_with_token))
        yield


def beat_without_token() -> AbstractContextManager[Any]:
    return _while_called("renew", _by_id_and_state)


def checkpoint_not_fenced() -> AbstractContextManager[Any]:
    return _while_called("checkpoint", _by_id_and_state)


def finish_not_fenced() -> AbstractContextManager[Any]:
    return _while_called("finish", _by_id_and_state)


def rescue_without_lease_check() -> AbstractContextManager[Any]:
    rescue_dead = rescue.rescue_dead
    return patch.object(store, "rescue_dead", lambda c, now, worker: rescue_dead(c, now + 1e6, worker))


def artifact_name_without_attempt() -> AbstractContextManager[Any]:
    return patch.object(recipe, "storage_key", lambda job: f"{job.id}.{job.request.output_format.lower()}")


def published_file_discarded() -> AbstractContextManager[Any]:
    """Where only the answer of the publication is lost, the file goes as if another had published."""
    return patch.object(worker.Worker, "_published", lambda self, id, artifact: False)


@contextmanager
def idempotency_not_atomic() -> Iterator[None]:
    """The earlier use is looked up in a transaction of its own, before the one that makes the job."""
    add, earlier_use = JobStore.add, limits.earlier_use

    def add_later(self: JobStore, owner: str, request: Any, *, idempotency: Any = None, **named: Any) -> Job:
        database: Any = self._database
        if idempotency is not None:
            known = database.read(lambda c: earlier_use(c, database.now, owner, idempotency))
            if known is not None:
                return self.get(known)
        return add(self, owner, request, idempotency=idempotency, **named)

    with patch.object(JobStore, "add", add_later), patch.object(store, "earlier_use", lambda *given: None):
        yield


def key_remembered_later() -> AbstractContextManager[Any]:
    """The job is committed first, and that its key stands for it second."""
    add, remember = JobStore.add, limits.remember_use

    def add_first(self: JobStore, owner: str, request: Any, *, idempotency: Any = None, **named: Any) -> Job:
        database: Any = self._database
        job = add(self, owner, request, idempotency=idempotency, **named)
        if idempotency is not None and not job.replayed:
            database.write(lambda c: remember(c, database.now, owner, idempotency, job.id))
        return job

    stack = ExitStack()
    stack.enter_context(patch.object(accept, "remember_use", lambda *given: None))
    stack.enter_context(patch.object(JobStore, "add", add_first))
    return stack


def published_before_stored() -> AbstractContextManager[Any]:
    """The pointer to a checkpoint is written before the object is there."""

    def put(self: Any, content: bytes, step: int, format: str) -> Checkpoint:
        path = self._scratch / f"half-{step}"
        path.write_bytes(content)
        checkpoint = Checkpoint(
            f"{self._job}.{self._attempt}-{step}", step, format, hashlib.sha256(content).hexdigest()
        )
        self._keep(checkpoint)
        self._storage.put_file(checkpoint.key, path)
        return checkpoint

    return patch.object(journal.Journal, "_put", put)


def checkpoint_hash_not_checked() -> AbstractContextManager[Any]:
    class Blind:
        def __init__(self, said: Any) -> None:
            self._said = said

        def __getattr__(self, name: str) -> Any:
            return _Equal() if name == "sha256" else getattr(self._said, name)

    read = journal._read
    return patch.object(journal, "_read", lambda storage, job, found, *rest: read(storage, job, Blind(found), *rest))


class _Equal:
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def old_checkpoint_forgotten_first() -> AbstractContextManager[Any]:
    """What the row still names goes before the row names the next."""
    keep = kept.Kept.keep

    def forget_and_keep(self: Any, checkpoint: Checkpoint) -> None:
        self._forget_all_but(None)
        keep(self, checkpoint)

    return patch.object(kept.Kept, "keep", forget_and_keep)


def cancel_overwritten_by_failure() -> AbstractContextManager[Any]:
    """Whoever fails does not look whether the job was given up."""

    def fail(self: JobStore, claim: Claim, error: Any) -> Job:
        now: Any = self._database.now
        said = {"code": error.code, "message": error.message}

        def work(connection: Connection) -> Job:
            ended = rows.end(connection, now, _held(claim), JobState.FAILED, "failed", said, error=said)
            if ended is None:
                raise Lost(claim.job.id)
            return ended

        return self._database.write(work)

    return patch.object(JobStore, "fail", fail)


def second_crash_trusts_the_checkpoint() -> AbstractContextManager[Any]:
    return patch.object(rescue, "TRUSTED_CRASHES", 99)


def crashes_without_end() -> AbstractContextManager[Any]:
    return patch.object(rescue, "MAX_CRASHES", 99)


def usage_counted_again() -> AbstractContextManager[Any]:
    """The seconds of a failed video are not given back."""
    return patch.object(rows, "delete", lambda table: update(usage).values(owner=usage.c.owner))


@contextmanager
def event_in_a_transaction_of_its_own() -> Iterator[None]:
    """A video fails, and the line of its history that says so is written afterwards."""
    write_event, ends = rows.write_event, JobStore._end

    def keep_for_later(connection: Any, now: Any, row: Any, event: str, data: dict[str, Any]) -> None:
        if event == "failed":
            _thread.late = (now, row, event, data)
        else:
            write_event(connection, now, row, event, data)

    def end(self: Any, claim: Claim, state: JobState, data: dict[str, Any], **values: Any) -> Job:
        job = ends(self, claim, state, data, **values)
        if job.state is JobState.FAILED:
            late = _thread.late
            self._database.write(lambda connection: write_event(connection, *late))
        return job

    with patch.object(rows, "write_event", keep_for_later), patch.object(JobStore, "_end", end):
        yield


MUTANTS: dict[str, Mutant] = {
    mutant.__name__.replace("_", "-"): mutant
    for mutant in (
        fence_dropped,
        fence_without_token,
        fence_without_state,
        beat_without_token,
        checkpoint_not_fenced,
        finish_not_fenced,
        rescue_without_lease_check,
        artifact_name_without_attempt,
        published_file_discarded,
        idempotency_not_atomic,
        key_remembered_later,
        published_before_stored,
        checkpoint_hash_not_checked,
        old_checkpoint_forgotten_first,
        cancel_overwritten_by_failure,
        second_crash_trusts_the_checkpoint,
        crashes_without_end,
        usage_counted_again,
        event_in_a_transaction_of_its_own,
    )
}
