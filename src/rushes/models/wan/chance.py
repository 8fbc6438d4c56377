"""A model of this family with weights by chance, made on the device: as large as a published one, without its files.

What it makes looks like nothing, and takes the time and the memory that the published one takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config

from rushes.catalogue.card import Card
from rushes.models.loading import usual_device, usual_dtype
from rushes.models.parts import Unbounded
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.components import Components, Networks
from rushes.models.wan.layout import Layout, described
from rushes.models.wan.memory import KEPT_IN_FLOAT32
from rushes.weights.checkpoint import Checkpoint

_UMT5 = {"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
_UMT5_MID = {"vocab_size": 512, "d_model": 128, "d_kv": 16, "d_ff": 256, "num_layers": 2, "num_heads": 4}
_SHARED = {
    "patch_size": [1, 2, 2],
    "attention_head_dim": 128,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 4096,
    "freq_dim": 256,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 1024,
}
_VAE = {"base_dim": 96, "z_dim": 16, "num_res_blocks": 2}
_VAE_FOLDED = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "num_res_blocks": 2,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}


def _sized(heads: int, inner: int, layers: int, **more: Any) -> dict[str, Any]:
    return {**_SHARED, "num_attention_heads": heads, "ffn_dim": inner, "num_layers": layers, **more}


SIZES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "mid": (_sized(4, 1024, 6, attention_head_dim=64, text_dim=128), {"base_dim": 16, "z_dim": 16}, _UMT5_MID),
    "wan2.1-t2v-1.3b": (_sized(12, 8960, 30), _VAE, _UMT5),
    "wan2.1-t2v-14b": (_sized(40, 13824, 40), _VAE, _UMT5),
    "wan2.2-ti2v-5b": (_sized(24, 14336, 30, in_channels=48, out_channels=48), _VAE_FOLDED, _UMT5),
}
"""Transformer, autoencoder and text encoder, as published; "mid" is large enough that networks take the time."""


def by_chance(card: Card, size: str, folder: Path) -> WanAdapter:
    """The model of `card`, sized as `SIZES[size]`; only configurations are written to `folder`."""
    device = usual_device()
    parts = RandomComponents(_written(card, size, folder), device, usual_dtype(device))
    return WanAdapter(card.in_folder(folder), parts=parts)


class RandomComponents(Components):
    """Components whose networks are made by chance at their first use, always the same."""

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(layout, device, dtype, Unbounded())
        self.kept = _RandomNetworks(layout, device, dtype, self.residency)

    @cached_property
    def tokenizer(self) -> Any:
        return bytes_tokenizer()


class _RandomNetworks(Networks):
    @cached_property
    def keys(self) -> dict[str, str]:
        return {name: name for name in self.kinds}

    def loaded(self, name: str, device: torch.device) -> Any:
        kind, config = self.kinds[name], self._checkpoint.config(name)
        torch.manual_seed(0)
        # On its own device, whatever is asked: another one would draw other numbers.
        with _default(kind.dtype), torch.device(self.device):
            network = kind.kind(UMT5Config(**config)) if name == "text_encoder" else kind.kind.from_config(config)
        for path, parameter in network.named_parameters():
            if name.startswith("transformer") and any(part in KEPT_IN_FLOAT32 for part in path.split(".")):
                parameter.data = parameter.data.float()
        return network.eval().requires_grad_(False)


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _written(card: Card, size: str, folder: Path) -> Layout:
    transformer, vae, text_encoder = SIZES[size]
    per_token = card.weights is not None and card.weights.layout == "text or first frame"
    scheduler = {
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "num_train_timesteps": 1000,
        "flow_shift": 5.0 if per_token else 3.0,
    }
    parts = {
        "tokenizer": ("PreTrainedTokenizerFast", {}),
        "text_encoder": ("UMT5EncoderModel", text_encoder),
        "transformer": ("WanTransformer3DModel", transformer),
        "vae": ("AutoencoderKLWan", vae),
        "scheduler": ("UniPCMultistepScheduler", scheduler),
    }
    for name, (_, config) in parts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(config), "utf-8")
    kinds = {name: kind for name, (kind, _) in parts.items()}
    settings = {"expand_timesteps": True} if per_token else {}
    return described(Checkpoint(folder, "WanPipeline", settings, kinds, ()))


def bytes_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte a piece, with the end mark that T5 puts behind a prompt."""
    pieces = ["<pad>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    inner = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, [], unk_token=None))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="</s>")  # noqa: S106
