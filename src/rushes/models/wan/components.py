"""The parts of a checkpoint, loaded from its folder: nothing is fetched, unpickled or run from there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel
from transformers.utils import logging as transformers_logging

from rushes.errors import GenerationFailed
from rushes.models.wan.layout import Layout

log = logging.getLogger(__name__)

TRANSFORMERS = {
    "WanTransformer3DModel": WanTransformer3DModel,
    "WanVACETransformer3DModel": WanVACETransformer3DModel,
}
TIED = {"encoder.embed_tokens.weight", "shared.weight"}
"""One of the two is in the file, and the other is the same tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Loaded and in evaluation mode. `experts` has one transformer, or the one for high and the one for low noise."""

    tokenizer: Any
    text_encoder: Any
    experts: tuple[Any, ...]
    vae: Any
    image_encoder: Any | None
    device: torch.device
    dtype: torch.dtype

    @property
    def modules(self) -> tuple[Any, ...]:
        others = () if self.image_encoder is None else (self.image_encoder,)
        return (self.text_encoder, *self.experts, self.vae, *others)


def loaded(layout: Layout, device: torch.device, dtype: torch.dtype) -> Components:
    """The components on `device`. The autoencoder computes in float32, where bfloat16 would show as bands.

    The transformer keeps its time embedding, norms and modulation in float32: a cast of the whole model would not.
    Errors  GenerationFailed, with the part at fault.
    """
    folder, parts = layout.checkpoint.folder, layout.checkpoint.parts

    def part(name: str, kind: Any, **how: Any) -> Any:
        return _loaded(name, lambda: kind.from_pretrained(folder / name, local_files_only=True, **how))

    def network(name: str, kind: Any, dtype: torch.dtype) -> Any:
        model, said = part(name, kind, dtype=dtype, use_safetensors=True, output_loading_info=True)
        _check_whole(name, said)
        return model.eval().requires_grad_(False).to(device)

    with _quiet():
        image_encoder = None
        if layout.frames_seen:
            image_encoder = network("image_encoder", CLIPVisionModel, torch.float32)
        return Components(
            tokenizer=part("tokenizer", AutoTokenizer, trust_remote_code=False),
            text_encoder=network("text_encoder", UMT5EncoderModel, dtype),
            experts=tuple(network(name, TRANSFORMERS[parts[name]], dtype) for name in layout.experts),
            vae=network("vae", AutoencoderKLWan, torch.float32),
            image_encoder=image_encoder,
            device=device,
            dtype=dtype,
        )


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    # Both libraries raise any of these for a file that is not what its configuration says.
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s cannot be loaded: %s", name, error)  # their text names paths: for the operator's log alone
        raise GenerationFailed(
            f"the model's {name} cannot be loaded ({type(error).__name__}); "
            "the worker's log says why, and rushes models verify whether its files are whole"
        ) from error


def _check_whole(name: str, said: dict[str, Any]) -> None:
    """Refuse weights that lack a tensor: both libraries would fill it with chance and a line in a log."""
    missing = set(said["missing_keys"])
    if TIED & missing and not missing >= TIED:
        missing -= TIED
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
