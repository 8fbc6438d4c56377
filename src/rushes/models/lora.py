"""LoRAs on a denoiser, for as long as it makes one step: added beside its layers, whose weights are never written to.

A changed layer gives y = W x + s · (B (A x) + b), in the layer's own numbers, term by term in the order of the request.
That is what diffusers computes by peft, operation by operation; folding B A into W would round otherwise, could not
be taken out again without a copy of W, and has no meaning for weights that are kept in fewer bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch.nn.functional import linear

from rushes.catalogue.card import AddedLora, Card
from rushes.contract.request import Lora
from rushes.errors import GenerationFailed, WrongSetup
from rushes.weights.lora import Change, Layers, read

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """What one LoRA adds to a layer at a weight of 1: A of (rank, in), B of (out, rank), scaled by alpha / rank."""

    down: torch.Tensor
    up: torch.Tensor
    bias: torch.Tensor | None
    scale: float

    def on(self, device: torch.device) -> _Term:
        bias = None if self.bias is None else self.bias.to(device, non_blocking=True)
        return _Term(self.down.to(device, non_blocking=True), self.up.to(device, non_blocking=True), bias, self.scale)


class _Changed(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A layer with what LoRAs add to it. The terms are no parameters: whoever moves those about must not see them."""

    def __init__(self, plain: torch.nn.Module, terms: tuple[tuple[_Term, float], ...]) -> None:
        super().__init__()
        self.plain = plain
        self.terms = tuple((term.down, term.up, term.bias, term.scale * weight) for term, weight in terms)
        self.train(plain.training)

    @property
    def weight(self) -> Any:
        return self.plain.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.plain(x)
        dtype = made.dtype
        for down, up, bias, scale in self.terms:
            made = made + linear(linear(x.to(down.dtype), down), up, bias) * scale
        return made.to(dtype)


class Loras:
    """The LoRAs that the card names, for the networks of its model.

    Those of the clip that is being made wait in the host's memory, and are on the device during a step alone: what a
    clip that was cancelled leaves behind takes no room from the next model.
    """

    def __init__(self, card: Card, networks: Callable[[], Mapping[str, Layers]], device: torch.device) -> None:
        """`networks` are the layers that may be changed, by network; asked for when a LoRA is."""
        self._known = {lora.name: lora for lora in card.rules.loras}
        self._find_networks, self._device = networks, device
        self._held: dict[tuple[Lora, str], dict[str, _Term]] = {}
        self._known_changes: dict[str, dict[str, tuple[Change, ...]]] = {}

    def size_bytes(self, loras: Sequence[Lora], number_bytes: int) -> int:
        """What `loras` take on the device, in numbers of so many bytes. Errors  as `worn`."""
        total = 0
        for lora in loras:
            for network, changes in self._changes(self._registered(lora)).items():
                shapes = self._networks[network].shapes
                total += sum(change.rank * sum(shapes[change.layer]) for change in changes)
        return total * number_bytes

    @contextmanager
    def worn(self, network: Any, name: str, loras: Sequence[Lora]) -> Iterator[None]:
        """Within it, `network`, which is called `name` in its model, computes with `loras`; behind it, as before.

        Errors  GenerationFailed where one is not what it was when it was asked for.
        """
        held = {_unweighed(lora) for lora in loras}
        self._held = {key: terms for key, terms in self._held.items() if key[0] in held}
        added: dict[str, list[tuple[_Term, float]]] = {}
        for lora in loras:
            for layer, term in self._terms(_unweighed(lora), name, network).items():
                added.setdefault(layer, []).append((term.on(self._device), lora.weight))
        plain: dict[str, torch.nn.Module] = {}
        try:
            for layer, terms in added.items():
                plain[layer] = network.get_submodule(layer)
                network.set_submodule(layer, _Changed(plain[layer], tuple(terms)))
            yield
        finally:
            for layer, module in plain.items():
                network.set_submodule(layer, module)

    @cached_property
    def _networks(self) -> Mapping[str, Layers]:
        return self._find_networks()

    def _registered(self, lora: Lora) -> AddedLora:
        found = self._known.get(lora.name)
        if found is None or found.revision != lora.revision:
            raise GenerationFailed(
                f"the LoRA {lora.name} is not what it was when this video was asked for; ask for it again"
            )
        return found

    def _changes(self, lora: AddedLora) -> dict[str, tuple[Change, ...]]:
        """By network; a file that is of several is read for all of them at once, as when it was registered."""
        if lora.name in self._known_changes:
            return self._known_changes[lora.name]
        found: dict[str, tuple[Change, ...]] = {}
        for path in dict.fromkeys(lora.files.values()):
            its_own = {name: self._networks[name] for name, file in lora.files.items() if file == path}
            try:
                found |= read(Path(path), its_own)
            except (WrongSetup, OSError) as error:
                raise _unreadable(lora.name, error) from error
        self._known_changes[lora.name] = found
        return found

    def _terms(self, lora: Lora, name: str, network: Any) -> dict[str, _Term]:
        """What `lora` adds to the layers of `network`, in the host's memory."""
        key = lora, name
        if key not in self._held:
            registered = self._registered(lora)
            if name not in registered.files:
                return {}
            changes = self._changes(registered)[name]
            try:
                with safe_open(registered.files[name], framework="pt") as file:
                    self._held[key] = {
                        change.layer: self._term(change, file, network.get_submodule(change.layer))
                        for change in changes
                    }
            except (SafetensorError, OSError, ValueError, AttributeError) as error:
                raise _unreadable(lora.name, error) from error
        return self._held[key]

    def _term(self, change: Change, file: Any, layer: Any) -> _Term:
        def tensor(key: str) -> torch.Tensor:
            read = file.get_tensor(key)
            if not torch.isfinite(read).all():
                raise ValueError(f"{key} holds what is no number")
            read = read.to(layer.weight.dtype)  # some layers compute in float32 among others in bfloat16
            return read.pin_memory() if self._device.type == "cuda" else read

        alpha = change.alpha
        if isinstance(alpha, str):
            alpha = float(file.get_tensor(alpha).item())
        return _Term(
            tensor(change.down),
            tensor(change.up),
            None if change.bias is None else tensor(change.bias),
            1.0 if alpha is None else alpha / change.rank,
        )


def _unweighed(lora: Lora) -> Lora:
    return Lora(lora.name, 1.0, lora.revision)


def _unreadable(name: str, error: Exception) -> GenerationFailed:
    log.warning("the LoRA %s cannot be read: %s", name, error)  # the text names paths: for the operator's log alone
    return GenerationFailed(
        f"the LoRA {name} cannot be read; the worker's log says why, and rushes models verify whether it is whole"
    )
