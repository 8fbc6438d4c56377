"""How many bytes of tensors are alive, and how many were at most: counted at each operation, on any device.

What a kernel allocates for itself while it runs is not seen. Counting costs several times the computation.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorBytes(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
    """Counts tensors that are made while it is entered; `most` is the peak beside what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.most = 0
        self._seen: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, torch.Tensor):
                self._known(leaf)
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf)
        return made

    def _known(self, tensor: torch.Tensor) -> None:
        """A tensor that was there before: not counted, now or when it comes out of an operation in place."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._watch(storage, 0)

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._seen:
            return
        self._watch(storage, storage.nbytes())
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)

    def _watch(self, storage: Any, size_bytes: int) -> None:
        self._seen[storage._cdata] = size_bytes
        weakref.finalize(storage, self._gone, storage._cdata)

    def _gone(self, cdata: int) -> None:
        self.now -= self._seen.pop(cdata, 0)
