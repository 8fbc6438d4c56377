"""What `rushes generate` does once its flags are read: resolve, perform here, and hand over the file."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rushes.api.together import parse_request
from rushes.assemble import build_catalogue, build_egress, build_engine
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.remarks import remarked
from rushes.catalogue.resolve import random_seed, resolve
from rushes.cli.progress import shown_progress
from rushes.cli.told import tell_facts, tell_notes
from rushes.contract.artifact import Artifact
from rushes.contract.events import Progress
from rushes.contract.job import Job, JobState
from rushes.contract.request import ResolvedRequest
from rushes.errors import InvalidValue
from rushes.settings import Settings
from rushes.storage.base import Storage

OWNER = "terminal"


def make(body: dict[str, Any], output: Path | None, as_json: bool) -> None:
    """Make the video of `body` and write it to `output`, or to rushes.mp4 or rushes.webm.

    The file appears whole or not at all: it is made in a folder beside its place, which goes whatever happens.
    Errors  those of the contract for the request; Unavailable and GenerationFailed for the making.
    """
    settings = Settings.load()
    catalogue = build_catalogue(settings)
    request = parse_request(json.dumps(body).encode(), strict=True)
    offer = catalogue.find(request.model)
    resolved = remarked(resolve(request, offer, random_seed), offer.card)
    path = place(output, resolved)
    if not as_json:
        tell_notes(resolved)

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".rushes-", dir=path.parent) as folder:
        try:
            artifact, made = performed(resolved, catalogue, settings, Path(folder), quiet=as_json)
        except KeyboardInterrupt:
            print("stopped; nothing was written", file=sys.stderr)
            raise
        made.replace(path)
    elapsed_s = time.monotonic() - started

    if as_json:
        print(json.dumps(_outcome(path, resolved, artifact, elapsed_s), ensure_ascii=False))
    else:
        tell_facts(path, resolved, artifact, elapsed_s)


def place(output: Path | None, resolved: ResolvedRequest) -> Path:
    """Where the file goes; refused now rather than after minutes of work."""
    path = output if output is not None else Path(f"rushes.{resolved.output_format.lower()}")
    try:
        if path.is_dir():
            raise InvalidValue(field="output", given=path, allowed="the name of a file, not of a folder")
        if not path.parent.is_dir():
            raise InvalidValue(field="output", given=path, allowed="a name in a folder that exists")
    except OSError as error:
        raise InvalidValue(
            field="output", given=path, allowed="a name in a folder that may be written to", hint=error.strerror
        ) from None
    if not os.access(path.parent, os.W_OK):
        raise InvalidValue(field="output", given=path, allowed="a name in a folder that may be written to")
    return path


def performed(
    resolved: ResolvedRequest,
    catalogue: Catalogue,
    settings: Settings,
    folder: Path,
    *,
    quiet: bool,
    inputs: Storage | None = None,
) -> tuple[Artifact, Path]:
    """Perform the request in this process: the artifact, and its file below `folder`."""
    # Imported here: these bring the tensor and media libraries, and a refused request needs neither.
    from rushes.perform import perform
    from rushes.storage.local import LocalStorage

    storage = LocalStorage(folder / "stored")
    scratch = folder / "scratch"
    scratch.mkdir()
    job = Job(
        id="generate",
        owner=OWNER,
        request=resolved,
        state=JobState.RUNNING,
        secret="",
        created_at=time.time(),
        attempt=1,
    )
    with shown_progress(quiet) as observe:
        artifact = perform(
            job,
            observe,
            catalogue=catalogue,
            engine=build_engine(settings),
            storage=storage,
            scratch=scratch,
            policy=build_egress(settings),
            inputs=inputs,
        )
        observe(Progress("done", fraction=1.0))
    return artifact, storage.path(artifact.key)


def _outcome(path: Path, resolved: ResolvedRequest, artifact: Artifact, elapsed_s: float) -> dict[str, Any]:
    facts = artifact.to_json()
    del facts["key"]  # names a place in a storage that is gone
    return {
        "file": str(path),
        "elapsed_s": round(elapsed_s, 3),
        "artifact": facts,
        "request": {k: v for k, v in resolved.to_json().items() if k not in ("notes", "media")},
        "notes": [dataclasses.asdict(note) for note in (*resolved.notes, *artifact.changes())],
    }
