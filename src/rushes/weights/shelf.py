"""What was added on this machine, models and LoRAs: a small file for each, so that two commands never write the same
one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from rushes.errors import WrongSetup
from rushes.weights.checkpoint import File

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
MAX_ID_CHARS = 100  # a file's name may have 255, and that of a LoRA has its model's id beside its own
SUFFIX = ".model.json"
LORA_SUFFIX = ".lora.json"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the operator agreed to when the model was added: the very words, by their hash."""

    licence: str
    sha256: str
    at: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that was added: asked for as `id`, made as the card `like` says, from the files in `folder`.

    `facts` are what a card of its own is written from, where `like` is no card but the library (`cards.whole`).
    """

    id: str
    like: str
    folder: Path
    revision: str
    files: tuple[File, ...]
    added_at: float  # Unix seconds
    origin: str | None = None
    """Where it was fetched from, as `hub id@commit`; None for a folder that was here."""
    facts: dict[str, Any] | None = None
    licence: str | None = None
    """Its name, as the model's own files have it; None where they have none, and the card's stands."""
    accepted: Accepted | None = None
    """None for a free licence, of which nothing has to be agreed to."""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class LoraEntry:
    """A LoRA that was added for the model `of`: asked for as `name`, from `files` in `folder`.

    `networks` names the file that each network of the model is changed by; `reads` and `shrunk` are the card's.
    """

    name: str
    of: str
    folder: Path
    revision: str
    files: tuple[File, ...]
    networks: dict[str, str]
    layers: int  # that it changes
    rank: int  # the highest
    added_at: float  # Unix seconds
    reads: str | None = None
    shrunk: int = 1

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def paths(self) -> dict[str, str]:
        """The file of each network, where it lies."""
        return {network: str(self.folder / file) for network, file in self.networks.items()}


class Shelf:
    """The entries in the folder `place`, which is made with the first."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def put(self, entry: Entry) -> None:
        """Add `entry`, or replace the one of its id. Errors  WrongSetup for what is no id, or a disk that fails."""
        self._write(self._path(entry.id), "id", entry.id, entry)

    def put_lora(self, entry: LoraEntry) -> None:
        """Add `entry`, or replace the one of its name and model. Errors  as `put`."""
        self._write(self._lora_path(entry.of, entry.name), "name", entry.name, entry)

    def _write(self, path: Path, field: str, id: str, entry: Entry | LoraEntry) -> None:
        check_id(id, field)
        # What is as it is unless told goes unsaid: an earlier version can read what it has a word for.
        usual = {field.name: field.default for field in fields(entry)}
        said = {name: value for name, value in asdict(entry).items() if value != usual[name]}
        said["folder"] = str(entry.folder)
        draft = path.with_name(f".{secrets.token_hex(8)}")
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                json.dump(said, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):  # there is none where there is no folder
                draft.unlink()
            raise WrongSetup(field="models", given=self.place, allowed="a folder that can be written to") from error

    def remove(self, id: str) -> bool:
        """Forget the entry `id` and its LoRAs; the files stay where they are. Whether it was there."""
        there = self._path(id).exists()
        self._path(id).unlink(missing_ok=True)
        for path in self._lora_paths(id):
            path.unlink(missing_ok=True)
        return there

    def remove_lora(self, of: str, name: str) -> bool:
        """Forget one LoRA of the model `of`; its files stay where they are. Whether it was there."""
        path = self._lora_path(of, name)
        there = path.exists()
        path.unlink(missing_ok=True)
        return there

    def loras(self, of: str) -> tuple[LoraEntry, ...]:
        """The LoRAs of the model `of` that can be read, by name."""
        found = (_read_lora(path) for path in self._lora_paths(of))
        return tuple(entry for entry in found if entry is not None)

    def find(self, id: str) -> Entry | None:
        """The entry of `id`, which is matched without regard to case."""
        return next((entry for entry in self.entries() if entry.id.casefold() == id.casefold()), None)

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read, by id."""
        for path in self._paths():
            entry = _read(path)
            if entry is not None:
                yield entry

    def unreadable(self) -> Iterator[str]:
        """Ids whose file is damaged."""
        for path in self._paths():
            if _read(path) is None:
                yield unquote(path.name.removesuffix(SUFFIX))

    def _paths(self) -> list[Path]:
        return sorted(self.place.glob(f"*{SUFFIX}"))

    def _path(self, id: str) -> Path:
        return self.place / f"{_spelled(id)}{SUFFIX}"

    def _lora_path(self, of: str, name: str) -> Path:
        return self.place / f"{_spelled(of)}@{_spelled(name)}{LORA_SUFFIX}"

    def _lora_paths(self, of: str) -> list[Path]:
        return sorted(self.place.glob(f"{_spelled(of)}@*{LORA_SUFFIX}"))


def check_id(id: str, field: str) -> None:
    """Refuse what cannot be asked for, nor be a file's name. Errors  WrongSetup naming `field`."""
    if not ID.fullmatch(id) or len(id) > MAX_ID_CHARS:
        allowed = f"up to {MAX_ID_CHARS} letters, digits and . _ -, with at most one /"
        raise WrongSetup(field=field, given=id, allowed=allowed)


def _spelled(id: str) -> str:
    """As a part of a file's name; an id has no @."""
    return quote(id.casefold(), safe="")


def _read_lora(path: Path) -> LoraEntry | None:
    try:
        said = json.loads(path.read_text("utf-8"))
        files = tuple(File(**file) for file in said.pop("files"))
        return LoraEntry(**{**said, "folder": Path(said["folder"])}, files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _read(path: Path) -> Entry | None:
    try:
        said = json.loads(path.read_text("utf-8"))
        files = tuple(File(**file) for file in said.pop("files"))
        accepted = said.pop("accepted", None)
        said |= {"folder": Path(said["folder"]), "accepted": Accepted(**accepted) if accepted else None}
        return Entry(**said, files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
