"""A folder of the diffusers format, looked at from outside: its parts, its files and their hashes.

Nothing in it is run, unpickled or imported. What would have to be (Python files, pickles, classes of its own) is the
reason why a folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import WrongSetup
from rushes.weights import header

INDEX = "model_index.json"
MODULAR_INDEX = "modular_model_index.json"
"""Of models that the library has as blocks alone: the same, with a word on where each part came from."""
LIBRARIES = ("diffusers", "transformers")
PIPELINES = ("ltx2",)
"""Folders of diffusers' own pipelines, by whose name alone it writes down parts that belong to no other."""
BESIDE = ("latent_upsampler", "transformer_full")
"""Parts that only a pipeline of their own takes, so that no index names them: taken wherever they lie beside others."""
SUPER_RESOLUTION = "super_resolution"
NESTED = (SUPER_RESOLUTION,)
"""Folders of the same format that may lie beside the parts: other checkpoints that a model works with, as published."""
SHARD = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack"})
MOST_JSON_BYTES = 64 << 20  # a tokenizer of 250,000 pieces takes 17
READ_BYTES = 1 << 20

Tell = Callable[[str, int, int], None]
"""Hears which file is read, and how many bytes of how many are behind it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a checkpoint, its name relative to the folder, with `/`."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that passed. `parts` are the components that are there, with their class; `files` all that they read."""

    folder: Path
    pipeline: str
    settings: dict[str, Any]  # the numbers beside the parts in model_index.json, such as boundary_ratio
    parts: dict[str, str]
    files: tuple[Path, ...]
    nested: tuple[Checkpoint, ...] = ()

    @property
    def every_file(self) -> tuple[Path, ...]:
        """Those of the checkpoints within it, too."""
        return (*self.files, *(path for within in self.nested for path in within.every_file))

    def config(self, part: str) -> dict[str, Any]:
        """The config.json (or scheduler_config.json) of a part; empty where it has none."""
        for name in ("config.json", "scheduler_config.json"):
            if (self.folder / part / name).is_file():
                return _json(self.folder / part / name, self.folder)
        return {}

    def check_weights(self, parts: Iterable[str]) -> None:
        """Refuse a folder in which one of `parts` has no weights. Errors  WrongSetup."""
        there = {path.parent.name for path in self.files if path.suffix == ".safetensors"}
        for part in parts:
            if part not in there:
                raise refused(self.folder, "weights as .safetensors", f"{part}/ has none")

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)


def looked_at(folder: Path, aside: Collection[str] = ()) -> Checkpoint:
    """The checkpoint in `folder`, without the parts `aside`. Reads configurations and headers, no weights.

    Errors  WrongSetup, with a reason that names the file.
    """
    path = next((folder / name for name in (INDEX, MODULAR_INDEX) if (folder / name).is_file()), None)
    if path is None:
        raise refused(folder, "a folder of the diffusers format", f"there is no {INDEX} in it")
    index = _json(path, folder)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise refused(folder, "a folder of the diffusers format", f"{path.name} names no pipeline")
    parts: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for name, value in index.items():
        if name.startswith("_"):
            continue
        if isinstance(value, list):
            if value[:2] != [None, None]:
                parts[name] = _class_of(name, value, folder)
        else:
            settings[name] = value
    for name in BESIDE:
        if name not in parts and name not in aside and (folder / name / "config.json").is_file():
            parts[name] = str(_json(folder / name / "config.json", folder).get("_class_name"))
    files = [path]
    for part in sorted(parts):
        files += _files(folder, part)
    nested = tuple(looked_at(folder / name) for name in NESTED if (folder / name).is_dir())
    return Checkpoint(folder, pipeline, settings, parts, tuple(files), nested)


def hashed(folder: Path, files: Iterable[Path], tell: Tell = lambda name, done, size: None) -> tuple[File, ...]:
    """Every file with its length and SHA-256; reads all of them. Errors  WrongSetup where one cannot be read."""
    found = []
    for path in files:
        name, digest, done = path.relative_to(folder).as_posix(), hashlib.sha256(), 0
        try:
            size_bytes = path.stat().st_size
            with path.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    digest.update(piece)
                    done += len(piece)
                    tell(name, done, size_bytes)
        except OSError as error:
            raise refused(folder, "files that can be read", f"{name}: {error.strerror}") from None
        found.append(File(name, done, digest.hexdigest()))
    return tuple(found)


def revision_of(files: Iterable[File]) -> str:
    """A short name for exactly these bytes: it changes with any of them, and not with where they lie."""
    lines = sorted(f"{file.sha256}  {file.name}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def changed(
    folder: Path, files: Iterable[File], *, whole: bool, tell: Tell = lambda name, done, size: None
) -> str | None:
    """What is not as it was, in words; None where all is. `whole` reads every byte, else lengths alone are compared."""
    for file in files:
        path = folder / file.name
        try:
            size_bytes = path.stat().st_size
        except OSError:
            return f"{file.name} is not there"
        if size_bytes != file.size_bytes:
            return f"{file.name} has {size_bytes:,} bytes instead of {file.size_bytes:,}"
        if whole and hashed(folder, [path], tell)[0].sha256 != file.sha256:
            return f"{file.name} has other bytes than when it was added"
    return None


def refused(folder: Path, allowed: str, reason: str) -> WrongSetup:
    return WrongSetup(field="from", given=folder, allowed=allowed, hint=reason)


def _class_of(name: str, value: list[Any], folder: Path) -> str:
    library, kind = (*value, None, None)[:2]
    if library not in LIBRARIES + PIPELINES or not isinstance(kind, str) or not kind.isidentifier():
        raise refused(
            folder,
            f"parts of {' and '.join(LIBRARIES)} alone",
            f"{INDEX} wants {library}.{kind} for {name}, which is code of its own; none is run here",
        )
    if not name.isidentifier():
        raise refused(folder, "parts in folders beside model_index.json", f"{INDEX} names a part {name!r}")
    return kind


def _files(folder: Path, part: str) -> list[Path]:
    """The files of one part, each of a kind that may be read."""
    if not (folder / part).is_dir():
        raise refused(folder, "a whole checkpoint", f"{part}/ is missing")
    files = sorted(path for path in (folder / part).iterdir() if path.is_file())
    indexed: set[str] = set()
    for path in files:
        name = f"{part}/{path.name}"
        if path.suffix.lower() in PICKLES:
            raise refused(folder, "weights as .safetensors", f"{name} may hold code (a pickle) and is not opened")
        if path.suffix == ".py":
            raise refused(folder, "a checkpoint without code", f"{name} is Python; none is run here")
        if path.suffix == ".json":
            said = _json(path, folder)
            if "auto_map" in said:
                raise refused(folder, "a checkpoint without code", f"{name} asks for code of its own (auto_map)")
            if path.name.endswith(".index.json"):
                indexed |= _shards(folder, part, path.name, said)
        if path.suffix == ".safetensors":
            try:
                header.tensors(path)
            except header.Damaged as damage:
                raise refused(folder, "safetensors files as they were written", f"{name} {damage}") from None
    # Some have the same weights again, in other pieces that no index names and nobody loads.
    return [path for path in files if not (indexed and SHARD.search(path.name) and path.name not in indexed)]


def _shards(folder: Path, part: str, name: str, said: dict[str, Any]) -> set[str]:
    """The files that an index names, each of which is there. Errors  WrongSetup."""
    shards = said.get("weight_map")
    if not isinstance(shards, dict):
        raise refused(folder, "a whole checkpoint", f"{part}/{name} has no weight_map")
    named = set(map(str, shards.values()))
    for shard in sorted(named):
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise refused(folder, "shards beside their index", f"{part}/{name} names {shard!r}")
        if not (folder / part / shard).is_file():
            raise refused(folder, "a whole checkpoint", f"{part}/{shard} is missing")
    return named


def _json(path: Path, folder: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise refused(folder, f"JSON of at most {MOST_JSON_BYTES >> 20} MiB", f"{name} is larger")
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise refused(folder, "files that can be read", f"{name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise refused(folder, "a whole checkpoint", f"{name} is not JSON") from None
    if not isinstance(said, dict):
        raise refused(folder, "a whole checkpoint", f"{name} is no JSON object")
    return said
