"""The parts of a MiniMax-H3 checkpoint in the hands of the library's blocks, each loaded when it works."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLMiniMaxH3,
    AutoencoderKLMiniMaxH3Audio,
    MiniMaxH3Scheduler,
    MiniMaxH3Transformer3DModel,
)
from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

from rushes.models.h3.layout import SCHEDULERS
from rushes.models.h3.processor import Processor
from rushes.models.kept import Network
from rushes.models.parts import Residency
from rushes.models.waiting import Waiting, WaitingNetworks, placed
from rushes.weights.checkpoint import Checkpoint


def networks_of(found: Checkpoint, device: torch.device, dtype: torch.dtype, residency: Residency) -> WaitingNetworks:
    """What has weights in `found`; what makes pixels and samples of latents computes in float32. Nothing is loaded."""
    return WaitingNetworks(
        found,
        device,
        residency,
        {
            "text_encoder": Network(Qwen3VLForConditionalGeneration, dtype),
            "transformer": Network(MiniMaxH3Transformer3DModel, dtype),
            "transformer_ref": Network(MiniMaxH3Transformer3DModel, dtype),
            "vae": Network(AutoencoderKLMiniMaxH3, torch.float32),
            "audio_vae": Network(AutoencoderKLMiniMaxH3Audio, torch.float32),
        },
    )


def piped(blocks: Any, found: Checkpoint, networks: WaitingNetworks) -> Any:
    """The library's pipeline of `blocks` around the parts. Errors  GenerationFailed with the part at fault."""
    pipe = placed(blocks.init_pipeline(), networks.device)
    folder = networks.folder
    tokenizer = folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)
    pipe.update_components(
        tokenizer=tokenizer,
        processor=Processor.loaded(folder, tokenizer),
        **{name: folder.part(name, MiniMaxH3Scheduler) for name in SCHEDULERS},
        **{name: Waiting(networks, name) for name in networks.kinds},
        **{name: value for name, value in found.settings.items() if name in pipe._config_specs},
    )
    return pipe
