"""Which of the models that run block by block a folder holds, by the pipeline it names. Imports no tensor library."""

from __future__ import annotations

from pathlib import Path

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

BLOCKS = {
    "HunyuanVideo15Pipeline": "hunyuan_video1_5.modular_blocks_hunyuan_video1_5:HunyuanVideo15Blocks",
    "LTXPipeline": "ltx.modular_blocks_ltx:LTXBlocks",
}
"""The library's blocks for the pipeline that a folder names: those that start from words (below modular_pipelines)."""

SCHEDULER = "FlowMatchEulerDiscreteScheduler"
"""Its steps depend on no step before, so that a state needs no more of it than how noisy each step is."""

NEEDED = ("tokenizer", "text_encoder", "transformer", "vae", "scheduler")


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`. Errors  WrongSetup where it is none that runs block by block here."""
    found = looked_at(folder)
    if found.pipeline not in BLOCKS:
        raise refused(folder, f"a checkpoint of {' or '.join(BLOCKS)}", f"model_index.json names {found.pipeline}")
    for part in NEEDED:
        if part not in found.parts:
            raise refused(folder, "a whole checkpoint", f"model_index.json names no {part}")
    if found.parts["scheduler"] != SCHEDULER:
        raise refused(folder, f"a scheduler of the kind {SCHEDULER}", f"its scheduler is {found.parts['scheduler']}")
    for part in ("text_encoder", "transformer", "vae"):
        if not any(path.suffix == ".safetensors" and path.parent.name == part for path in found.files):
            raise refused(folder, "weights as .safetensors", f"{part}/ has none")
    if found.config("scheduler").get("stochastic_sampling"):
        raise refused(folder, "a scheduler that draws no noise of its own", "stochastic_sampling is on")
    if found.config("vae").get("timestep_conditioning"):
        raise refused(folder, "an autoencoder that draws no noise of its own", "timestep_conditioning is on")
    return found


def check(folder: Path, kind: str) -> None:
    """Refuse a folder whose pipeline is not `kind`. Errors  WrongSetup."""
    found = read(folder)
    if found.pipeline != kind:
        raise refused(folder, f"a {kind}", f"model_index.json names {found.pipeline}")
