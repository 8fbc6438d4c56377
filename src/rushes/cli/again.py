"""What `rushes replay` does: find out what was asked, perform it here once more, compare the hashes."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.assemble import build_catalogue, build_inputs
from rushes.cli.body import FORMATS
from rushes.cli.jobs import opened
from rushes.cli.make import performed, place
from rushes.contract.request import EXACT_QUALITY, Lora, ResolvedRequest
from rushes.errors import InvalidValue, MissingField
from rushes.settings import Settings

NUMBERS = {"seed": int, "steps": int, "width": int, "height": int, "fps": int, "output_quality": int}
MEASURES = ("guidance_scale", "seconds")


@dataclass(frozen=True, slots=True)
class Earlier:
    """A video that was made: what was asked, and the SHA-256 of its file in hex."""

    request: ResolvedRequest
    sha256: str


def of_job(id: str, data: Path | None) -> Earlier:
    """The finished job `id` of the data folder. Raises `JobNotFound`, or `InvalidValue` where it has no file."""
    with opened(data) as store:
        job = store.get(id)
    if job.artifact is None:
        raise InvalidValue(field="id", given=f"{id}, which is {job.state}", allowed="a job that was finished")
    return Earlier(job.request, job.artifact.sha256)


def of_file(path: Path, prompt: str | None, negative_prompt: str | None) -> Earlier:
    """What the file at `path` says of itself, completed with its prompts.

    Raises `InvalidValue` where the file does not say enough, `MissingField` without a prompt.
    """
    from rushes.media.label import label

    said = label(path)
    if said is None:
        raise InvalidValue(field="file", given=path.name, allowed="a file that Rushes made and nobody changed since")
    if said.get("media"):
        media = " and ".join(map(str, said["media"]))
        raise InvalidValue(
            field="file",
            given=f"{path.name}, made with {media}",
            allowed="one made from text",
            hint="name its job's id",
        )
    if prompt is None:
        raise MissingField(field="prompt", hint="a file does not hold its prompt: give --prompt, as it was")
    try:
        numbers: dict[str, Any] = {name: kind(said[name]) for name, kind in NUMBERS.items()}
        measures: dict[str, Any] = {name: float(said[name]) for name in MEASURES}
        request = ResolvedRequest(
            model=str(said["model"]),
            made_by=str(said["model"]),
            revision=str(said["revision"]),
            prompt=prompt,
            negative_prompt=negative_prompt or "",
            num_frames=round(measures["seconds"] * numbers["fps"]),
            output_format=FORMATS[f".{said['format']}"],
            generate_audio=bool(said["audio"]),
            quality=str(said.get("quality", EXACT_QUALITY)),
            loras=tuple(Lora(**lora) for lora in said.get("loras", ())),
            **numbers,
            **measures,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InvalidValue(
            field="file", given=f"{path.name}, which does not say all of it", allowed="a file of this release"
        ) from None
    return Earlier(request, _sha256(path))


def compare(earlier: Earlier, data: Path | None, output: Path | None, as_json: bool) -> bool:
    """Perform the request again and tell both hashes; returns whether they are the same."""
    settings = Settings.load({"data": data})
    catalogue = build_catalogue(settings)
    request = earlier.request
    card = catalogue.find(request.made_by).card
    if card.revision != request.revision and not as_json:
        print(
            f"made by revision {request.revision} of {card.id}; here is {card.revision}: expect another file",
            file=sys.stderr,
        )
    if output is not None and FORMATS.get(output.suffix.lower()) != request.output_format:
        allowed = f"a name that ends in .{request.output_format.lower()}, as the earlier file is"
        raise InvalidValue(field="output", given=output.name, allowed=allowed)
    path = None if output is None else place(output, request)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".rushes-", dir=None if path is None else path.parent) as folder:
        artifact, made = performed(
            request,
            catalogue,
            settings,
            Path(folder),
            quiet=as_json,
            inputs=build_inputs(settings),
        )
        if path is not None:
            made.replace(path)
    same = artifact.sha256 == earlier.sha256
    found: dict[str, Any] = {
        "same": same,
        "was": earlier.sha256,
        "is": artifact.sha256,
        "model": card.id,
        "revision": {"was": request.revision, "is": card.revision},
        "elapsed_s": round(time.monotonic() - started, 3),
    }
    if as_json:
        print(json.dumps(found))
    elif same:
        print(f"same  {artifact.sha256}")
    else:
        print(f"different  was {earlier.sha256}\n           is  {artifact.sha256}")
    return same


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
