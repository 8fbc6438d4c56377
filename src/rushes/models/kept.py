"""The networks of a checkpoint in a residency: each known by its files and by how it is loaded from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import Any

import torch

from rushes.catalogue.card import Card
from rushes.models.eight_bits import SCALE_BYTES, narrowed, narrows
from rushes.models.loading import Folder, read_by, usual_device, usual_dtype, weights_of
from rushes.models.parts import ATTENTION, BLOCKS, DENOISERS, PUBLISHED, READERS, How, Residency, Stage
from rushes.models.visits import visiting
from rushes.weights import header
from rushes.weights.checkpoint import Checkpoint, looked_at

USUAL = {2: "BF16", 4: "F32"}
"""What numbers of so many bytes are called in a file that needs no change to be computed with (`usual_dtype`)."""


@dataclass(frozen=True, slots=True)
class Network:
    """How one part is loaded.

    here     the share of it that is on the device at once where its blocks take turns
    float32  what stands in the names of its tensors that the library keeps so (its `_keep_in_fp32_modules`)
    """

    kind: Any
    dtype: torch.dtype
    here: float = 1.0
    float32: tuple[str, ...] = ()


class KeptNetworks:
    """`networks` of a checkpoint by name, in evaluation mode on `device`, each loaded when it is asked for.

    Ask again instead of keeping one: the residency may give it up for another. It comes ready to work as `how` says.
    Errors  GenerationFailed, with the part at fault, where one is loaded.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, residency: Residency, networks: Mapping[str, Network]
    ) -> None:
        self._checkpoint, self._residency = checkpoint, residency
        self.device, self.kinds = device, dict(networks)
        self.folder = Folder(checkpoint.folder, device)
        self.how = How()
        self.dress: Callable[[Any], None] = natively
        """Shown a denoiser before it works: whoever accelerates it sets this."""
        self._tensors = cache(self._read_tensors)

    @cached_property
    def keys(self) -> dict[str, str]:
        """What the residency knows each network by."""
        return {
            name: f"{self._residency.key(self._files(name))} {kind.kind.__name__} {kind.dtype}"
            for name, kind in self.kinds.items()
        }

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The bytes that each takes once it is loaded, by the headers of its files."""
        return {name: self.stored_bytes(name) for name in self.kinds}

    def get(self, name: str) -> Any:
        """The network `name`. One in eight bits or by turns is a part of its own: the plain one stays plain."""
        matrices = self.how.matrices if name.startswith(DENOISERS) else PUBLISHED
        by_turns = takes_turns(name, self.how)
        network = self._residency.part(
            f"{self.keys[name]}{f' {matrices}' if matrices else ''}{' by turns' if by_turns else ''}",
            self.here_bytes(name, matrices=matrices, by_turns=by_turns),
            lambda: self._made(name, matrices, by_turns),
            host_bytes=self.host_bytes(name, matrices=matrices, by_turns=by_turns),
            home=brought_home if by_turns else None,
        )
        self.ready(name, network)
        return network

    def ready(self, name: str, network: Any) -> None:
        """Make the part `name` work as the plan says; it may have worked for another model since."""
        if name.startswith(DENOISERS):
            self.dress(network)
        else:
            natively(network)

    def stage(self, how: How, name: str, part: str, activation_bytes: float) -> Stage:
        """What is in memory while `part` works at the stage `name`, computed in this way."""
        here = self.here_bytes(part, by_turns=takes_turns(part, how), matrices=how.matrices)
        return Stage(name, {self.keys[part]: here}, int(activation_bytes))

    def here_bytes(self, name: str, *, by_turns: bool, matrices: str = PUBLISHED) -> int:
        """What of the network is on the device at once: all of it, or what its blocks or layers take in turns."""
        if by_turns and name.startswith(READERS):
            return max(size_bytes for size_bytes, _ in self._tensors(name))
        if not name.startswith(DENOISERS):
            return self.sizes[name]
        size_bytes = self.stored_bytes(name, matrices)
        return int(size_bytes * self.share_by_turns(name)) if by_turns else size_bytes

    def stored_bytes(self, name: str, matrices: str = PUBLISHED) -> int:
        """What a network takes whose blocks keep their matrices so, by the headers of its files."""
        return sum(size_bytes for size_bytes, _ in self._tensors(name, matrices))

    def host_bytes(self, name: str, *, matrices: str = PUBLISHED, by_turns: bool = False) -> int:
        """The most that loading it takes of the host's memory, by the headers of its files.

        As its files have it, it costs no memory: the system gives up what it read of them. What is made anew of that
        does, other numbers or eight bits, and so does the copy that is pinned for a GPU to fetch from. On a CPU what
        has no turns is on the device as soon as it is read.
        """
        on_gpu = self.device.type == "cuda"
        tensors = self._tensors(name, matrices)
        made_bytes = sum(size_bytes for size_bytes, anew in tensors if anew)
        if not by_turns or name.startswith(READERS):
            return made_bytes if on_gpu else 0
        if not on_gpu:
            return sum(size_bytes for size_bytes, _ in tensors)
        # What is pinned is pinned by powers of two.
        return made_bytes + sum(1 << (size_bytes - 1).bit_length() for size_bytes, _ in tensors)

    def share_by_turns(self, name: str) -> float:
        return self.kinds[name].here

    def loaded(self, name: str, device: torch.device) -> Any:
        """The network `name` as its files have it, on `device`."""
        kind = self.kinds[name]
        return Folder(self._checkpoint.folder, device).network(name, kind.kind, kind.dtype)

    def _made(self, name: str, matrices: str, by_turns: bool) -> Any:
        if not (matrices or by_turns):
            return self.loaded(name, self.device)
        network = self.loaded(name, torch.device("cpu"))  # the device may have no room for all of it
        if matrices:
            network = narrowed(network, matrices)
        if name.startswith(READERS):
            return visiting(network, self.device)
        return taking_turns(network, self.device) if by_turns else network.to(self.device)

    def _read_tensors(self, name: str, matrices: str = PUBLISHED) -> tuple[tuple[int, bool], ...]:
        """Of each tensor what it takes, and whether it is made anew: read once, for this is asked at every step."""
        kind = self.kinds[name]
        return tuple(_loaded_bytes(self._files(name), kind.dtype.itemsize, matrices, kind.float32))

    def _files(self, name: str) -> list[Path]:
        return [path for path in self._checkpoint.files if path.parent.name == name]


def takes_turns(name: str, how: How) -> bool:
    """Whether `how` has a part of that name on the device piece by piece."""
    return (how.blocks and name.startswith(DENOISERS)) or (how.layers and name.startswith(READERS))


def natively(network: Any) -> None:
    """Torch's own attention, by name, on a network of diffusers: once, for each time costs a line in the log."""
    if hasattr(network, "set_attention_backend") and getattr(network, "attends", None) != ATTENTION:
        network.set_attention_backend(ATTENTION)
        network.attends = ATTENTION


def taking_turns(network: Any, device: torch.device) -> Any:
    """`network`, of which blocks come to `device` for as long as they work, the next one meanwhile."""
    network.enable_group_offload(
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
    )
    return network


def brought_home(network: Any) -> None:
    """Bring what a pass that was broken off left on the device of `network` back to where its blocks wait.

    The library takes a block back when the last thing is done with it, which then never was.
    """
    for module in network.modules():
        hooks = getattr(module, "_diffusers_hook", None)
        if hooks is None:
            continue
        if (visiting := hooks.get_hook("group_offloading")) is not None:
            visiting.group.offload_()
        if (order := hooks.get_hook("lazy_prefetch_group_offloading")) is not None:
            order.execution_order.clear()  # of a first pass, by which later ones bring the next block ahead


def _loaded_bytes(
    files: Iterable[Path], number_bytes: int, matrices: str = PUBLISHED, float32: tuple[str, ...] = ()
) -> Iterator[tuple[int, bool]]:
    """What each tensor takes in numbers of so many bytes, blocks' matrices as said; whether it is made anew for that.

    Those take four bytes a number in whose names something of `float32` stands.
    """
    for path in files:
        if path.suffix != ".safetensors":
            continue
        for name, tensor in header.tensors(path).items():
            in_blocks = name.endswith(".weight") and name.startswith(BLOCKS)
            if in_blocks and narrows(matrices, tuple(tensor.shape)):
                yield prod(tensor.shape) + SCALE_BYTES * tensor.shape[0], True
            else:
                one_bytes = 4 if any(word in name for word in float32) else number_bytes
                yield prod(tensor.shape) * one_bytes, tensor.dtype != USUAL.get(one_bytes)


def least_bytes(card: Card) -> int:
    """What all parts of `card` take in the usual numbers, by the headers of their files.

    Errors  GenerationFailed where they are not there.
    """
    weights = weights_of(card)
    files, number_bytes = read_by(looked_at, weights).files, usual_dtype(usual_device()).itemsize
    return sum(size_bytes for size_bytes, _ in _loaded_bytes(files, number_bytes))
