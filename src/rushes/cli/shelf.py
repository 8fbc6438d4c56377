"""`rushes models add, verify, remove`: the models whose weights do not come with the package."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rushes.cli.exits import FAILED, explained
from rushes.cli.options import AsJson, Data
from rushes.errors import InvalidValue, WrongSetup

if TYPE_CHECKING:
    from rushes.catalogue.card import Card, Weights
    from rushes.weights.checkpoint import Tell
    from rushes.weights.shelf import Entry, LoraEntry, Shelf

A_SLIP = 0.85
"""How like two ids are, of which one is taken for the other misspelt: wan2.1-t2v-1.3 and wan2.1-t2v-1.3b are 0.97."""

Id = Annotated[str, typer.Argument(metavar="ID", help="The model's id.")]


def add(
    id: Id,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FOLDER|HUB_ID", help="Where its weights are; its own place on the hub unless given."
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Which known model these weights are one of, for an id of your own."),
    ] = None,
    native: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT@FPS", help="What weights were made for whose files do not say so, such as 720x480@8."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A commit, tag or branch on the hub.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: take what was downloaded before.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the model's licence, where one has to be agreed to.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add a model: look at its files, hash them, and offer it from the next start of the server.

    Only folders of the diffusers format with safetensors are taken; nothing in them is run. An id that is not known,
    without --like, is made by the video pipeline that the folder itself names, with the promises that it can keep.
    """
    with explained(as_json):
        from rushes.catalogue.cards import whole
        from rushes.catalogue.loras import to_add_refiner, worn_always
        from rushes.cli.licence import agreed, check_askable, licence_of
        from rushes.weights.checkpoint import hashed, looked_at, revision_of
        from rushes.weights.shelf import Entry, check_id

        check_id(id, "id")
        shelf = shelf_of(data)
        known = known_by(like or id) if like is not None or source is None or _is_known(id) else None
        _check_free(id, like)
        before, can_ask = shelf.find(id), not as_json and sys.stdin.isatty()
        if known is not None:
            check_askable(known.card.licence, accept=accept, before=before, can_ask=can_ask)
        aside = known.weights.aside if known else ()
        folder, origin = _found(
            source or (known.weights.hub if known else ""), revision, shelf.place, offline=offline, aside=aside
        )
        facts = None
        if known is not None:
            _check_of(known.weights)(folder, known.weights.layout)
            if native is not None:
                raise WrongSetup(field="native", given=native, allowed="only for a model that is not known")
        else:
            facts = _facts(folder, native)
        licence = licence_of(folder, known.card.licence if known else None)
        accepted = agreed(licence, folder, accept=accept, before=before, can_ask=can_ask)
        with told_of(quiet=as_json) as tell:
            files = hashed(folder, looked_at(folder, aside).every_file, tell)
        made_like = whole.LIKE if known is None else known.card.id
        entry = Entry(
            id, made_like, folder, revision_of(files), files, time.time(), origin, facts, licence.name, accepted
        )
        shelf.put(entry)
        if as_json:
            print(json.dumps(entry_said(entry), ensure_ascii=False))
            return
        print(f"{id} is here: {len(files)} files, {sized(entry.size_bytes)}, revision {entry.revision}")
        if known is None:
            print(known_of(entry).card.description)
            for better in _fitting(folder):
                print(f"Rushes knows this family: with --like {better} it keeps all promises", file=sys.stderr)
        print("a server that runs offers it after its next start")
        if known is not None and worn_always(known.card) not in (None, *(lora.name for lora in shelf.loras(id))):
            print(f"it makes videos after {to_add_refiner(id, known.weights)}", file=sys.stderr)
        if find_spec("diffusers") is None or find_spec("torch") is None:
            print("to run it, this installation needs more: pip install 'rushes[torch]'", file=sys.stderr)


def verify(
    id: Id,
    quick: Annotated[bool, typer.Option("--quick", help="Compare lengths alone.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read a model's files and those of its LoRAs again, and compare them with what was added.

    Exit codes: 0 they are the same, 1 they are not.
    """
    with explained(as_json):
        from rushes.weights.checkpoint import changed

        shelf = shelf_of(data)
        entry = entry_of(shelf, id)
        loras = shelf.loras(entry.id)
        with told_of(quiet=as_json or quick) as tell:
            fault = changed(entry.folder, entry.files, whole=not quick, tell=tell)
            for lora in loras:
                lora_fault = changed(lora.folder, lora.files, whole=not quick, tell=tell)
                fault = fault or (lora_fault and f"LoRA {lora.name}: {lora_fault}")
        if as_json:
            print(json.dumps({"id": entry.id, "intact": fault is None, "fault": fault}, ensure_ascii=False))
        else:
            count = len(entry.files) + sum(len(lora.files) for lora in loras)
            said = f"{count} files as they were added" if fault is None else fault
            print(f"{entry.id}: {said}", file=sys.stdout if fault is None else sys.stderr)
        if fault is not None:
            raise typer.Exit(FAILED)


def remove(
    id: Id,
    lora: Annotated[str | None, typer.Option(metavar="NAME", help="Forget this LoRA of the model alone.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Forget a model and its LoRAs, or one LoRA. The files stay where they are."""
    with explained(as_json):
        shelf = shelf_of(data)
        if lora is not None:
            _remove_lora(shelf, id, lora, as_json)
            return
        entry = shelf.find(id)
        if entry is None and id.casefold() not in shelf.unreadable():
            entry_of(shelf, id)
        shelf.remove(id)
        if as_json:
            print(json.dumps({"id": id, "folder": str(entry.folder) if entry else None}, ensure_ascii=False))
        else:
            print(f"{id} is no longer offered" + (f"; its files are still in {entry.folder}" if entry else ""))


def _remove_lora(shelf: Shelf, id: str, name: str, as_json: bool) -> None:
    from rushes.catalogue.wording import listed

    of = entry_of(shelf, id).id
    names = [lora.name for lora in shelf.loras(of)]
    if not shelf.remove_lora(of, name):
        raise InvalidValue(field="lora", given=name, allowed=listed(names) or "none: this model has no LoRA", model=of)
    if as_json:
        print(json.dumps({"id": of, "lora": name}, ensure_ascii=False))
    else:
        print(f"{name} of {of} is no longer offered; its file is still there")


def shelf_of(data: Path | None) -> Shelf:
    from rushes.assemble import build_shelf
    from rushes.settings import Settings

    return build_shelf(Settings.load({"data": data}))


class _Known(NamedTuple):
    card: Card
    weights: Weights  # its own, and there


def _is_known(id: str) -> bool:
    """Whether `id` is a known model's, or so near to one that it is a slip: then `known_by` says which is meant."""
    from rushes.catalogue.cards import OPEN

    return bool(_meant(id, [card.id for card in OPEN]))


def _meant(id: str, ids: list[str]) -> list[str]:
    """The one of `ids` that `id` is, or is a slip for; empty where it is none."""
    return get_close_matches(id.casefold(), ids, n=1, cutoff=A_SLIP)


def known_by(id: str) -> _Known:
    from rushes.catalogue.cards import OPEN
    from rushes.catalogue.wording import listed

    for card in OPEN:
        if card.id == id.casefold() and card.weights is not None:
            return _Known(card, card.weights)
    ids = [card.id for card in OPEN]
    if meant := _meant(id, ids):  # which would be lost behind all of them
        allowed, hint = "a known model, of which `rushes models --all` has the list", f"did you mean {meant[0]}?"
    else:
        hint = "for weights of your own: rushes models add ID --from FOLDER, with --like one of these where they are"
        allowed = listed(ids)
    raise InvalidValue(field="model", given=id, allowed=allowed, hint=hint)


def known_of(entry: Entry) -> _Known:
    from rushes.assemble import card_of

    card = card_of(entry)
    if card is None or card.weights is None:
        raise WrongSetup(
            field="model", given=entry.id, allowed="one that this version knows", hint="add it again, by its id"
        )
    return _Known(card, card.weights)


def _facts(folder: Path, native: str | None) -> dict[str, Any]:
    """What the files of a folder say of the pipeline in it. Errors  WrongSetup where it is none that makes videos."""
    from rushes.models.whole.layout import read

    return asdict(read(folder, native))


def _fitting(folder: Path) -> Iterator[str]:
    """The known model that a folder is one of, where there is any."""
    from rushes.catalogue.cards import OPEN

    for card in OPEN:
        if card.weights is not None:
            try:
                _check_of(card.weights)(folder, card.weights.layout)
            except WrongSetup:
                continue
            yield card.id
            return


def _check_free(id: str, like: str | None) -> None:
    """Refuse ids that would hide another model."""
    from rushes.catalogue.cards import CARDS, OPEN
    from rushes.catalogue.contracts import HOSTED

    taken = [card.id for card in CARDS] + [*HOSTED] + ([card.id for card in OPEN] if like not in (None, id) else [])
    if id.casefold() in (other.casefold() for other in taken):
        raise InvalidValue(field="model", given=id, allowed="an id that no other model has")


def entry_of(shelf: Shelf, id: str) -> Entry:
    from rushes.catalogue.wording import listed

    entry = shelf.find(id)
    if entry is None:
        ids = [entry.id for entry in shelf.entries()]
        raise InvalidValue(field="model", given=id, allowed=listed(ids) or "none: no model was added")
    return entry


def _found(
    source: str, revision: str | None, place: Path, *, offline: bool, aside: tuple[str, ...]
) -> tuple[Path, str | None]:
    """The folder with the weights, downloaded where need be, and where they came from."""
    from rushes.weights.hub import HUB_ID, fetch_snapshot

    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise WrongSetup(field="revision", given=revision, allowed="only for a model from the hub")
        return folder.resolve(), None
    if not HUB_ID.fullmatch(source):
        raise WrongSetup(field="from", given=source, allowed="a folder that exists, or a model on the hub (owner/name)")
    fetched, commit = fetch_snapshot(source, revision, place / "hub", offline=offline, aside=aside)
    return fetched, f"{source}@{commit}"


def _check_of(weights: Weights) -> Callable[[Path, str], None]:
    module, _, name = weights.check.partition(":")
    check: Callable[[Path, str], None] = getattr(import_module(module), name)
    return check


def entry_said(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "folder": str(entry.folder),
        "origin": entry.origin,
        "revision": entry.revision,
        "files": len(entry.files),
        "size_bytes": entry.size_bytes,
        "licence": entry.licence,
        "licence_accepted": asdict(entry.accepted) if entry.accepted else None,
        **({"pipeline": entry.facts.get("kind")} if entry.facts else {}),
    }


def lora_said(entry: LoraEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "model": entry.of,
        "files": entry.paths(),
        "revision": entry.revision,
        "layers": entry.layers,
        "rank": entry.rank,
        "size_bytes": entry.size_bytes,
        **({"reads": f"media.{entry.reads}", "shrunk": entry.shrunk} if entry.reads else {}),
    }


def lora_line(entry: LoraEntry) -> str:
    files, size = ", ".join(dict.fromkeys(entry.paths().values())), sized(entry.size_bytes)
    reads = f", looks at media.{entry.reads}" if entry.reads else ""
    return f"{entry.name}: {entry.layers} layers, rank {entry.rank}, {size}{reads}, revision {entry.revision}, {files}"


def sized(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"


@contextmanager
def told_of(quiet: bool) -> Iterator[Tell]:
    """Hashing 30 GB takes a minute: says on a terminal which file it is at."""
    if quiet or not sys.stderr.isatty():
        yield lambda name, done, size: None
        return

    def tell(name: str, done: int, size: int) -> None:
        print(f"\r\033[K{name} {done / max(size, 1):.0%}", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        print("\r\033[K", end="", file=sys.stderr)
