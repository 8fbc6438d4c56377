"""A device that is not there: its numbers are the CPU's, and what lies on it is kept apart from what does not.

What is computed with tensors of both ends in an error, as on a GPU, so that a clip made on it shows that nothing was
left behind. For a process of its own: a backend stays once it is registered, and libraries take it for the machine's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

NAME = "elsewhere"


class Backend(backend_registration._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


backend_registration._setup_privateuseone_for_python_backend(NAME, Backend())
ELSEWHERE = torch.device(NAME, 0)
# What is on one device is no place for the numbers of another: a network that moves gets parameters anew.
torch.__future__.set_overwrite_module_params_on_conversion(True)


class There(torch.Tensor):
    """A tensor there, whose numbers are `here`."""

    here: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> There:
        about = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        made: There = torch.Tensor._make_wrapper_subclass(cls, here.shape, **about, device=ELSEWHERE)
        made.here = here
        return made

    def __repr__(self) -> str:
        return f"There({tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return _computed(func, given, named or {})


class Elsewhere:
    """Within it, `ELSEWHERE` can be computed on."""

    def __init__(self) -> None:
        self._modes = _Whole(), _Kept()

    def __enter__(self) -> None:
        for mode in self._modes:
            mode.__enter__()

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)


class _Kept(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return _computed(func, given, named or {})


class _Whole(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """What torch would take apart otherwise on another device than on a CPU, or not bring to its dispatcher at all."""

    ATTENTION = (torch.nn.functional.scaled_dot_product_attention, torch.nn.functional.rms_norm, torch.rms_norm)
    MADE = (torch.tensor, torch.as_tensor, torch.asarray)

    def __torch_function__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        named = named or {}
        if func is torch.Tensor.tolist and isinstance(given[0], There):
            return given[0].here.tolist()
        if func in self.MADE and not isinstance(given[0], There) and _is_there(named.get("device")):
            return func(*_here(given), **{**named, "device": "cpu"}).to(ELSEWHERE)
        tensors = [one for one in tree_leaves((given, named)) if isinstance(one, torch.Tensor)]
        if func in self.ATTENTION and any(isinstance(one, There) for one in tensors):
            _check_together(func, tensors)
            with torch._C.DisableTorchFunction():
                return There(func(*_here(given), **_here(named)))
        return func(*given, **named)


def _computed(func: Any, given: Any, named: Any) -> Any:
    """What `func` makes of tensors there, here, or on their way from one to the other."""
    name, device = func._schema.name.partition("::")[2], named.get("device")
    tensors = [one for one in tree_leaves((given, named)) if isinstance(one, torch.Tensor)]
    there = any(isinstance(one, There) for one in tensors)
    if name in ("index_put_", "_index_put_impl_"):  # indices may be anywhere: torch brings them
        _check_together(func, [given[0], given[2]])
    elif name == "index" and isinstance(given[0], There):  # and so may these, to the device
        pass
    elif there and name not in ("_to_copy", "copy_"):
        _check_together(func, tensors)
    elsewhere = there if device is None else _is_there(device)
    if device is not None:
        named = {**named, "device": torch.device("cpu")}
    made = func(*_here(given), **_here(named))
    if name == "copy_":
        return given[0]
    if not elsewhere:
        return made
    made = tree_map(lambda one: There(one) if type(one) is torch.Tensor else one, made)
    return return_and_correct_aliasing(func, given, named, made) if there else made


def _check_together(func: Any, tensors: list[torch.Tensor]) -> None:
    """Errors  RuntimeError where some are there and some are not, but for single numbers, which torch brings."""
    places = {isinstance(one, There) for one in tensors if one.dim() > 0 or isinstance(one, There)}
    if len(places) > 1:
        raise RuntimeError(f"{func} of tensors on two devices: {tensors}")


def _here(given: Any) -> Any:
    return tree_map(lambda one: one.here if isinstance(one, There) else one, given)


def _is_there(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME
