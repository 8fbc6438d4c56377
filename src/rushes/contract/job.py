"""The durable promise: one row, one state, one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rushes.contract.artifact import Artifact
from rushes.contract.request import ResolvedRequest


class JobState(StrEnum):
    QUEUED = "queued"  # the row is durable, nobody works on it
    RUNNING = "running"  # one worker holds the claim
    SUCCEEDED = "succeeded"  # artifact stored and named in the row; final
    FAILED = "failed"  # error named in the row; final
    CANCELLED = "cancelled"  # ended by the person who asked; final

    @property
    def final(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobError:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a half-made job can go on: an object in the storage of checkpoints, and how to know it again.

    `step`    steps that are done in it
    `format`  what can read it: a hash of package, model revision and everything else that must be the same
    `sha256`  of the whole object, in hex
    """

    key: str
    step: int
    format: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Checkpoint:
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as read from the store. Times are Unix seconds; `secret` makes the artifact's URL unguessable."""

    id: str
    owner: str
    request: ResolvedRequest
    state: JobState
    secret: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    attempt: int = 0
    stage: str = "queued"
    step: int = 0
    steps: int = 0
    progress: float = 0.0
    cancel_requested: bool = False
    artifact: Artifact | None = None
    error: JobError | None = None
    waiting_ahead: int | None = None
    """How many waiting jobs go before this one; None when it does not wait, or nobody looked."""
    priority: int = 0
    """Like `nice`: the smaller goes first."""
    held: bool = False
    """Paused by its owner: it waits, and no worker takes it until it is resumed."""
    crashes: int = 0
    """How many workers ended without an answer while they made it."""
    setbacks: int = 0
    """How many attempts ended by something that may pass, such as a full disk."""
    checkpoint: Checkpoint | None = None
    webhook: str | None = None
    """The address that is told when the job has ended."""
    reuse_of: str | None = None
    """The id of the earlier job whose file this one has a copy of; None where it was made for this job."""
    replayed: bool = False
    """Whether this is an earlier request's job, found again when the request was sent again."""
