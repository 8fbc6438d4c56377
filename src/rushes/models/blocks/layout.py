"""Which of the models that run block by block a folder holds, by the pipeline it names. Imports no tensor library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

EULER = "FlowMatchEulerDiscreteScheduler"
"""Its steps depend on no step before, so that a state needs no more of it than how noisy each step is."""
UNIPC = "UniPCMultistepScheduler"
"""Its steps depend on those before: what it remembers of them is in the state."""


@dataclass(frozen=True, slots=True)
class Family:
    """blocks     the library's, below modular_pipelines. `needed` are parts without which nothing is made, and
    `networks` those of them that have weights. `scheduler` is the one kind whose memory a state knows to keep.
    sound      whether its networks make a sound with the film.
    padded     whether its words are padded behind a mask, both of which are left out here (`unpadded.py`).
    tiles      whether the film is decoded by tiles in any case, as its makers do.
    """

    blocks: str
    needed: tuple[str, ...]
    networks: tuple[str, ...]
    scheduler: str = EULER
    sound: bool = False
    padded: bool = False
    tiles: bool = False


_USUAL = ("tokenizer", "text_encoder", "transformer", "vae", "scheduler")

BLOCKS = {
    "HunyuanVideo15Pipeline": Family(
        "hunyuan_video1_5.modular_blocks_hunyuan_video1_5:HunyuanVideo15Blocks",
        _USUAL,
        ("text_encoder", "transformer", "vae"),
        padded=True,
        tiles=True,
    ),
    "LTXPipeline": Family("ltx.modular_blocks_ltx:LTXBlocks", _USUAL, ("text_encoder", "transformer", "vae")),
    "Cosmos3OmniPipeline": Family(
        "cosmos.modular_blocks_cosmos3:Cosmos3OmniBlocks",
        ("text_tokenizer", "transformer", "vae", "sound_tokenizer", "scheduler"),
        ("transformer", "vae", "sound_tokenizer"),
        scheduler=UNIPC,
        sound=True,
    ),
}
"""What runs here block by block, by the pipeline that a folder names."""


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`. Errors  WrongSetup where it is none that runs block by block here."""
    found = looked_at(folder)
    family = BLOCKS.get(found.pipeline)
    if family is None:
        raise refused(folder, f"a checkpoint of {' or '.join(BLOCKS)}", f"model_index.json names {found.pipeline}")
    for part in family.needed:
        if part not in found.parts:
            raise refused(folder, "a whole checkpoint", f"model_index.json names no {part}")
    if found.parts["scheduler"] != family.scheduler:
        raise refused(
            folder, f"a scheduler of the kind {family.scheduler}", f"its scheduler is {found.parts['scheduler']}"
        )
    found.check_weights(family.networks)
    if found.config("scheduler").get("stochastic_sampling"):
        raise refused(folder, "a scheduler that draws no noise of its own", "stochastic_sampling is on")
    if found.config("vae").get("timestep_conditioning"):
        raise refused(folder, "an autoencoder that draws no noise of its own", "timestep_conditioning is on")
    if found.config("transformer").get("quantization_config"):
        raise refused(folder, "weights as they were trained", "transformer/config.json says that they are quantised")
    if family.sound and not found.config("transformer").get("sound_gen"):
        raise refused(folder, "a transformer that makes sound", "transformer/config.json has sound_gen off")
    return found


def check(folder: Path, kind: str) -> None:
    """Refuse a folder whose pipeline is not `kind`. Errors  WrongSetup."""
    found = read(folder)
    if found.pipeline != kind:
        raise refused(folder, f"a {kind}", f"model_index.json names {found.pipeline}")
