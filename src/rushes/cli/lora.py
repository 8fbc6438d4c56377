"""`rushes models add-lora`: changes of a model's weights, registered under a name that requests may give."""

from __future__ import annotations

import json
import os.path
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.catalogue.wording import listed
from rushes.cli.exits import explained
from rushes.cli.options import AsJson, Data
from rushes.cli.shelf import entry_of, known_of, lora_line, lora_said, shelf_of, told_of
from rushes.errors import InvalidValue, MissingField, UnsupportedField, WrongSetup

if TYPE_CHECKING:
    from rushes.weights.lora import Change, Layers
    from rushes.weights.shelf import Entry


def add_lora(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What requests call it.")],
    of: Annotated[str, typer.Option("--to", metavar="ID", help="The model that it changes.")],
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="A .safetensors file, for all of the model's transformers."),
    ] = None,
    high: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a model of two experts: for the one of high noise.")
    ] = None,
    low: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a model of two experts: for the one of low noise.")
    ] = None,
    reads: Annotated[
        str | None,
        typer.Option(metavar="MEMBER", help="Of one that was taught beside a clip: by which member of media it comes."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Register a LoRA for a model that was added: look at its header, hash it, and let requests name it.

    Every key of it must be of a linear layer of the model, else it is refused. The file stays where it is.
    """
    with explained(as_json):
        from rushes.weights.checkpoint import hashed, revision_of
        from rushes.weights.shelf import LoraEntry, check_id

        check_id(name, "name")
        shelf = shelf_of(data)
        model = entry_of(shelf, of)
        networks = _networks(model)
        _check_refiner(name, model, {"--from": file, "--high": high, "--low": low}, reads)
        files, changes = _looked_at(networks, model.id, file, high, low)
        read, shrunk = _reading(model, reads, files.values())
        folder = Path(os.path.commonpath([path.parent for path in files.values()]))
        with told_of(quiet=as_json) as tell:
            known = hashed(folder, dict.fromkeys(files.values()), tell)
        entry = LoraEntry(
            name,
            model.id,
            folder,
            revision_of(known),
            known,
            {network: path.relative_to(folder).as_posix() for network, path in files.items()},
            layers=len(changes),
            rank=max(change.rank for change in changes),
            added_at=time.time(),
            reads=read,
            shrunk=shrunk,
        )
        shelf.put_lora(entry)
        if as_json:
            print(json.dumps(lora_said(entry), ensure_ascii=False))
            return
        print(f"here for {model.id}: {lora_line(entry)}")
        print("a server that runs offers it after its next start")


def _networks(model: Entry) -> Mapping[str, Layers]:
    """The layers that a LoRA of `model` may change, by network.

    Errors  UnsupportedField where it takes none, WrongSetup where its files are not what was added.
    """
    from rushes.weights.checkpoint import changed

    dotted = known_of(model).weights.loras
    if dotted is None:
        raise UnsupportedField(field="to", given=model.id, hint="models of this family take no LoRA here")
    if (fault := changed(model.folder, model.files, whole=False)) is not None:
        hint = f"{fault}; all of it: rushes models verify {model.id}"
        raise WrongSetup(field="to", given=model.id, allowed="a model whose files are as they were added", hint=hint)
    module, _, name = dotted.partition(":")
    networks: Mapping[str, Layers] = getattr(import_module(module), name)(model.folder)
    return networks


def _check_refiner(name: str, model: Entry, given: Mapping[str, Path | None], reads: str | None) -> None:
    """Refuse a half of what every clip of `model` wears: the other expert would work as if it had never been taught.

    And one that `reads` a clip under the name of what a second stage wears, which has no clip beside it.
    """
    weights = known_of(model).weights
    found = tuple(option for option, path in given.items() if path is not None)
    if name != weights.refiner:
        return
    if weights.always_refined and found != weights.refiner_files:
        raise WrongSetup(
            field="name",
            given=f"{name} with {listed(found) or 'no file'}",
            allowed=f"{name} with {' and '.join(weights.refiner_files)}",
            model=model.id,
            hint="its makers publish one file for each expert",
        )
    if reads is not None:
        raise WrongSetup(
            field="name",
            given=name,
            allowed="another name for one that looks at a clip",
            model=model.id,
            hint=f"the one called {name} is its makers' own, which looks at none",
        )


def _reading(model: Entry, reads: str | None, files: Iterable[Path]) -> tuple[str | None, int]:
    """The member of media that a LoRA of `files` looks at, and how many times smaller than the film.

    Errors  UnsupportedField, InvalidValue, MissingField, WrongSetup.
    """
    from rushes.weights.lora import shrunk_by

    members = known_of(model).card.rules.lora_media
    noted = [shrunk for path in dict.fromkeys(files) if members and (shrunk := shrunk_by(path)) is not None]
    if reads is None:
        if noted:
            raise MissingField(
                field="reads",
                allowed=listed(members),
                model=model.id,
                hint="its notes say that it was taught beside a clip: say by which member of media requests send that",
            )
        return None, 1
    if not members:
        raise UnsupportedField(field="reads", given=reads, model=model.id, hint="LoRAs of this family look at no media")
    member = reads.removeprefix("media.")
    if member not in members:
        raise InvalidValue(field="reads", given=reads, allowed=listed(members), model=model.id)
    return member, max(noted, default=1)


def _looked_at(
    networks: Mapping[str, Layers], id: str, file: Path | None, high: Path | None, low: Path | None
) -> tuple[dict[str, Path], list[Change]]:
    """The file of each network that is changed, and all changes. Errors  WrongSetup, MissingField, InvalidValue."""
    from rushes.weights.lora import read

    apart = {"high": high, "low": low}
    if file is not None and (high or low):
        raise InvalidValue(field="from", given="also --high or --low", allowed="one file for all, or one for an expert")
    if file is None and not high and not low:
        raise MissingField(field="from", allowed="a .safetensors file", model=id)
    if file is None and len(networks) < len(apart):
        option, given = next((option, path) for option, path in apart.items() if path)
        raise WrongSetup(field=option, given=given, allowed="only for a model of two experts; give --from", model=id)
    wanted: list[tuple[Path, Mapping[str, Layers]]] = []
    if file is not None:
        wanted.append((_there("from", file), networks))
    else:
        for (option, path), network in zip(apart.items(), networks, strict=True):
            if path is not None:
                wanted.append((_there(option, path), {network: networks[network]}))
    files: dict[str, Path] = {}
    changes: list[Change] = []
    for path, those in wanted:
        for network, of_network in read(path, those).items():
            files[network] = path
            changes += of_network
    return files, changes


def _there(option: str, path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise WrongSetup(field=option, given=path, allowed="a file that exists")
    return path.resolve()
