"""Whether a folder holds MiniMax-H3. Imports no tensor library."""

from __future__ import annotations

from pathlib import Path

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

PIPELINE = "MiniMaxH3ModularPipeline"
SCHEDULERS = ("scheduler", "audio_scheduler")
NETWORKS = {
    "text_encoder": "Qwen3VLForConditionalGeneration",
    "transformer": "MiniMaxH3Transformer3DModel",  # for words and frames
    "transformer_ref": "MiniMaxH3Transformer3DModel",  # for examples
    "vae": "AutoencoderKLMiniMaxH3",
    "audio_vae": "AutoencoderKLMiniMaxH3Audio",
}
PARTS = {**NETWORKS, "processor": "Qwen3VLProcessor", **dict.fromkeys(SCHEDULERS, "MiniMaxH3Scheduler")}
READ_LAYER = 50
"""Of the text encoder, whose view of the prompt the transformers were trained on; it has to have one more."""


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`. Errors  WrongSetup where it is another."""
    found = looked_at(folder)
    if found.pipeline != PIPELINE:
        raise refused(folder, f"a {PIPELINE}", f"its index names {found.pipeline}")
    for part, kind in PARTS.items():
        if found.parts.get(part) != kind:
            said = f"is a {found.parts[part]}" if part in found.parts else "is missing"
            raise refused(folder, f"its {part} as {kind}", f"{part} {said}")
    if "tokenizer" not in found.parts:
        raise refused(folder, "a whole checkpoint", "tokenizer is missing")
    found.check_weights(NETWORKS)
    for part in NETWORKS:
        if found.config(part).get("quantization_config"):
            raise refused(folder, "weights as they were trained", f"{part}/config.json says that they are quantised")
    layers = found.config("text_encoder").get("text_config", {}).get("num_hidden_layers", 0)
    if layers <= READ_LAYER:
        raise refused(folder, f"a text encoder of more than {READ_LAYER} layers", f"text_encoder has {layers}")
    return found


def check(folder: Path, kind: str) -> None:
    """Refuse a folder that holds no `kind`. Errors  WrongSetup."""
    if read(folder).pipeline != kind:
        raise refused(folder, f"a {kind}", f"its index names {PIPELINE}")
