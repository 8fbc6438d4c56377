"""Parts of a checkpoint in the diffusers format, loaded from its folder: nothing is fetched, unpickled or run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from rushes.catalogue.card import Card, Weights
from rushes.errors import GenerationFailed, WrongSetup

log = logging.getLogger(__name__)

# Of the kernels that an NVIDIA GPU has for one convolution, those that always round alike.
torch.backends.cudnn.deterministic = True

LayoutT = TypeVar("LayoutT")


class Folder:
    """The parts in the folder of a checkpoint, loaded for `device`."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder, self._device = folder, device

    def part(self, name: str, kind: Any, **how: Any) -> Any:
        """The part `name`, of the library's class `kind`. Errors  GenerationFailed, naming it."""
        return _loaded(name, lambda: kind.from_pretrained(self._folder / name, local_files_only=True, **how))

    def network(self, name: str, kind: Any, dtype: torch.dtype) -> Any:
        """The network `name`, whole, in evaluation mode. What the library keeps in float32 stays so."""
        model, said = self.part(name, kind, dtype=dtype, use_safetensors=True, output_loading_info=True)
        _check_whole(name, said, model)
        return model.eval().requires_grad_(False).to(self._device)

    def outline(self, name: str, kind: Any) -> Any:
        """The network `name` without weights and without memory. None where it makes sums of them while it is built."""
        folder = self._folder / name
        diffusers_own = hasattr(kind, "load_config")

        said = _loaded(name, partial(kind.load_config if diffusers_own else kind.config_class.from_pretrained, folder))
        try:
            with _quiet(), torch.device("meta"):
                return (kind.from_config(said) if diffusers_own else kind(said)).eval()
        except (NotImplementedError, RuntimeError) as error:  # of tensors that hold nothing
            log.info("%s cannot be had without weights: %s", name, error)
            return None


def weights_of(card: Card) -> Weights:
    """Where the weights of `card` are. Errors  GenerationFailed where nobody added them."""
    if card.weights is None or card.weights.folder is None:
        raise GenerationFailed(f"the weights of {card.id} are not on this machine: rushes models add {card.id}")
    return card.weights


def read_by(read: Callable[[Path], LayoutT], weights: Weights) -> LayoutT:
    """What `read` makes of the folder. Errors  GenerationFailed where it is not what was added."""
    try:
        return read(Path(weights.folder or ""))
    except WrongSetup as error:
        # Not the error's own words: they name a folder of the operator's, and this is read by the job's owner.
        raise GenerationFailed(f"the model's files are not what was added: {error.hint}") from error


def usual_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def usual_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on an accelerator, as the weights are published; float32 on a CPU."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def arithmetic(device: torch.device, dtype: torch.dtype) -> str:
    """What else than weights and state decides the bytes of a step."""
    where = f"cpu, {torch.get_num_threads()} threads"  # sums are split by threads, and rounded where they are split
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    return f"torch {torch.__version__} diffusers {diffusers.__version__} {dtype} {where}"


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    try:
        with _quiet():
            return load()
    # Both libraries raise any of these for a file that is not what its configuration says.
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s cannot be loaded: %s", name, error)  # their text names paths: for the operator's log alone
        raise GenerationFailed(
            f"the model's {name} cannot be loaded ({type(error).__name__}); "
            "the worker's log says why, and rushes models verify whether its files are whole"
        ) from error


UNASKED = "lm_head."
"""What a text encoder would guess the next word by. Some files leave it out, and nobody is told its guesses."""


def _check_whole(name: str, said: dict[str, Any], model: Any) -> None:
    """Refuse weights that lack a tensor: both libraries would fill it with chance and a line in a log."""
    absent = set(said["missing_keys"])
    tensors = model.state_dict()
    # A tensor may have several names, of which a file needs one.
    there = {tensor.data_ptr() for key, tensor in tensors.items() if key not in absent}
    missing = {
        key
        for key in absent
        if not key.startswith(UNASKED) and (key not in tensors or tensors[key].data_ptr() not in there)
    }
    mismatched = [key[0] for key in said["mismatched_keys"]]
    for fault, keys in (("lacks", missing), ("has another shape for", mismatched)):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise GenerationFailed(f"the model's {name} {fault} {min(keys)}{more}: its files are no whole checkpoint")
    if said["unexpected_keys"]:
        # Published ones have some: position numbers, norms that later versions do without. Nothing is read from them.
        log.info("%s: %d tensors in its files have no place in it", name, len(said["unexpected_keys"]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading bars and advice of two libraries have no place in a worker's log; what matters is checked above."""
    bars = diffusers_logging, transformers_logging
    before = [library.get_verbosity() for library in bars]
    for library in bars:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in zip(bars, before, strict=True):
            library.set_verbosity(level)
            library.enable_progress_bar()
