"""Which Wan-Animate-2 a folder holds. Imports no tensor library."""

from __future__ import annotations

from pathlib import Path

from rushes.weights.checkpoint import Checkpoint, looked_at, refused

PIPELINES = ("WanAnimate2ModularPipeline", "WanAnimate2DistilledModularPipeline")
PARTS = {
    "tokenizer": ("T5TokenizerFast", "T5Tokenizer", "AutoTokenizer", "TokenizersBackend", "PreTrainedTokenizerFast"),
    "text_encoder": ("UMT5EncoderModel",),
    "image_encoder": ("CLIPVisionModel",),
    "transformer": ("WanAnimate2Transformer3DModel",),
    "vae": ("AutoencoderKLWan",),
    "scheduler": ("DPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
}
NETWORKS = ("text_encoder", "image_encoder", "transformer", "vae")

KNOWN = frozenset(
    {
        "patch_size", "text_len", "in_dim", "dim", "ffn_dim", "freq_dim", "text_dim", "out_dim", "num_heads",
        "num_layers", "cross_attn_norm", "eps", "use_img_emb", "refer_offset_t", "refer_offset_h", "refer_offset_w",
        "refer_stride",
    }
)  # fmt: skip
"""What diffusers 0.42 reads of the transformer's configuration. Anything else it would drop with a line in a log."""


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`. Errors  WrongSetup where it is none of this family."""
    found = looked_at(folder)
    if found.pipeline not in PIPELINES:
        raise refused(folder, f"a checkpoint of {' or '.join(PIPELINES)}", f"its index names {found.pipeline}")
    for part, kinds in PARTS.items():
        if found.parts.get(part) not in kinds:
            said = f"is a {found.parts[part]}" if part in found.parts else "is missing"
            raise refused(folder, f"its {part} as {' or '.join(kinds)}", f"{part} {said}")
    found.check_weights(NETWORKS)
    more = sorted(name for name in found.config("transformer") if name not in KNOWN and not name.startswith("_"))
    if more:
        raise refused(
            folder, "a transformer that this version computes", f"transformer/config.json has {more[0]}, unknown here"
        )
    scheduler = found.config("scheduler")
    if scheduler.get("stochastic_sampling") or "sde" in str(scheduler.get("algorithm_type")):
        raise refused(folder, "a scheduler that draws no noise of its own", "scheduler/ has one that does")
    return found


def check(folder: Path, kind: str) -> None:
    """Refuse a folder whose index names another pipeline than `kind`. Errors  WrongSetup."""
    found = read(folder)
    if found.pipeline != kind:
        raise refused(folder, f"a {kind}", f"its index names {found.pipeline}")
