"""Moving a waiting job along as a worker would, for tests that look at it through the door."""

from __future__ import annotations

from pathlib import Path

from rushes.contract.artifact import Artifact, Native
from rushes.jobs.claims import Claim
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage

BYTES = bytes(range(256)) * 40
SHA256 = "ab" * 32


def claimed(store: JobStore, id: str) -> Claim:
    """The claim on the waiting job `id`; those before it are claimed too and left at that."""
    while (claim := store.claim("test", ["rushes/mini"])) is not None and claim.job.id != id:
        pass
    assert claim is not None
    return claim


def finished(store: JobStore, storage: LocalStorage, claim: Claim, folder: Path) -> None:
    """Finish the claimed job with a file of `BYTES`."""
    file = folder / "clip"
    file.write_bytes(BYTES)
    key = f"{claim.job.id}.1-00000000.mp4"
    storage.put_file(key, file)
    native = Native(width=448, height=256, fps=8.0, num_frames=48)
    store.finish(claim, Artifact(key, "video/mp4", len(BYTES), SHA256, 1366, 768, 24, 144, False, native))
