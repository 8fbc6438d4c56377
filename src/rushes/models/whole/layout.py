"""What the pipeline that a folder names takes, read from its call in the library's source. Imports no tensor library.

A call says by its parameters which fields it honours, and by their defaults what it was made for. What neither it nor
the configurations say (rates, mostly) stands in `KNOWN`, as the makers state it, or is the operator's to say.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rushes.catalogue.cards.whole import Pipeline
from rushes.errors import WrongSetup
from rushes.weights.checkpoint import Checkpoint, looked_at, refused

LENGTHS = ("num_frames", "video_length", "frames")
"""Names of the parameter that says how many frames. A pipeline without one makes no video, or another's length."""

GIVEN_BY_US = frozenset({"prompt", "image"})
BESIDES = frozenset({"conditioning_frames", "control_video", "mask_video", "controls", "c2w", "video_tiles"})
"""Optional in the signature, and nothing is made without them."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What makers state of a pipeline's weights, where its call does not: None where it does."""

    fps: int | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    least_steps: int = 1


KNOWN = {
    "AllegroPipeline": Stated(15, 1280, 720, 88),
    "AnimateDiffPipeline": Stated(8, 512, 512, 32),
    "CogVideoXImageToVideoPipeline": Stated(8),
    "CogVideoXPipeline": Stated(8),
    "EasyAnimatePipeline": Stated(8),
    "HunyuanSkyreelsImageToVideoPipeline": Stated(24),
    "HunyuanVideo15ImageToVideoPipeline": Stated(24, 848, 480),
    "HunyuanVideo15Pipeline": Stated(24, 848, 480),
    "HunyuanVideoFramepackPipeline": Stated(30),
    "HunyuanVideoImageToVideoPipeline": Stated(24),
    "HunyuanVideoPipeline": Stated(24),
    "Kandinsky5I2VPipeline": Stated(24),
    "Kandinsky5T2VPipeline": Stated(24),
    "LattePipeline": Stated(8, num_frames=16),
    "MochiPipeline": Stated(30, 848, 480, 163, least_steps=2),
    "MotifVideoImage2VideoPipeline": Stated(24),
    "MotifVideoPipeline": Stated(24),
    "SanaImageToVideoPipeline": Stated(16),
    "SanaVideoPipeline": Stated(16),
    "SkyReelsV2ImageToVideoPipeline": Stated(24),
    "SkyReelsV2Pipeline": Stated(24),
    "StableVideoDiffusionPipeline": Stated(7, num_frames=25),
    "WanImageToVideoPipeline": Stated(16),
    "WanPipeline": Stated(16),
}
FIXED_LENGTH = {"LattePipeline"}
"""Its position table is added whole, or the sum of two shapes is refused in the middle of a job."""


def check(folder: Path, kind: str) -> None:
    """Refuse a folder whose pipeline is not `kind`. Errors  WrongSetup."""
    found = looked_at(folder)
    if found.pipeline != kind:
        raise refused(folder, f"a {kind}", f"model_index.json names {found.pipeline}")


def read(folder: Path, native: str | None = None) -> Pipeline:
    """What is known of the pipeline in `folder`. `native` is WIDTHxHEIGHT@FPS, where an operator knows better.

    Errors  WrongSetup where it is none that makes videos here, naming what is missing.
    """
    found = looked_at(folder)
    written = _class_of(found)
    call = _call_of(found, written)
    length = next((name for name in LENGTHS if name in call), None)
    if length is None or not {"width", "height"} <= call.keys():
        raise refused(folder, "a pipeline that makes videos", f"{found.pipeline} takes no length or no size")
    lacking = sorted({name for name, value in call.items() if value is REQUIRED} - GIVEN_BY_US | BESIDES & call.keys())
    if lacking:
        reason = f"{found.pipeline} also wants {', '.join(lacking)}"
        raise refused(folder, "a pipeline that starts from words or a picture", reason)
    _check_weights(found)
    settled = _settled(found, call, length, native)
    return replace(settled, multiple=_multiple(written))


REQUIRED = object()
"""The default of a parameter that has none."""


def _class_of(found: Checkpoint) -> ast.ClassDef:
    """The pipeline as it is written in the library that is installed."""
    spec = find_spec("diffusers")
    if spec is None or not spec.submodule_search_locations:
        raise WrongSetup(
            field="from", given=found.folder, allowed="where diffusers is", hint="pip install 'rushes[torch]'"
        )
    for path in sorted(Path(spec.submodule_search_locations[0], "pipelines").rglob("pipeline_*.py")):
        text = path.read_text("utf-8")
        if f"\nclass {found.pipeline}(" in text and "deprecated" not in path.parts:
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and node.name == found.pipeline:
                    return node
    raise refused(
        found.folder, "a pipeline of the diffusers that is installed", f"it has no pipeline {found.pipeline!r}"
    )


def _call_of(found: Checkpoint, written: ast.ClassDef) -> dict[str, Any]:
    """Parameters of the pipeline's call with their defaults. A default that is no literal is None."""
    for member in written.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__call__":
            return _parameters(member.args)
    raise refused(found.folder, "a pipeline with a call of its own", f"{found.pipeline} has none")


def _multiple(written: ast.ClassDef) -> int:
    """What the pipeline's own check wants sides to be multiples of: the numbers behind `height %` and `width %`."""
    found = 1
    for node in ast.walk(written):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.right, ast.Constant):
            side = ast.unparse(node.left) in ("height", "width")
            if side and isinstance(node.right.value, int):
                found = math.lcm(found, node.right.value)
    return found


def _parameters(arguments: ast.arguments) -> dict[str, Any]:
    plain = [*arguments.posonlyargs, *arguments.args][1:]
    said: dict[str, Any] = {argument.arg: REQUIRED for argument in (*plain, *arguments.kwonlyargs)}
    for argument, default in zip(reversed(plain), reversed(arguments.defaults), strict=False):
        said[argument.arg] = _literal(default)
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if value is not None:
            said[argument.arg] = _literal(value)
    return said


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _check_weights(found: Checkpoint) -> None:
    if not any(path.suffix == ".safetensors" for path in found.files):
        raise refused(found.folder, "weights as .safetensors", "there are none in it")


def _settled(found: Checkpoint, call: dict[str, Any], length: str, native: str | None) -> Pipeline:
    stated = KNOWN.get(found.pipeline, Stated())
    config = _denoiser_config(found)
    size = _size(found, call, stated, config)
    fps = _whole(call.get("frame_rate")) or _whole(call.get("fps")) or stated.fps
    if fps is not None and config.get("patch_size_t") and found.pipeline.startswith("CogVideoX"):
        fps *= 2  # the later ones of this family were made for twice the rate
    if native is not None:
        size, fps = _said(native)
    if size is None or fps is None:
        raise refused(
            found.folder,
            "with --native WIDTHxHEIGHT@FPS, a model whose files do not say what it was made for",
            f"{found.pipeline} states no {'size' if size is None else 'frames a second'}",
        )
    frames = stated.num_frames or _whole(call[length]) or _whole(config.get("sample_frames"))
    # Two guidances: one is a number that the network reads, the other a second pass, off at 1 unless the call says so.
    second_pass = float(call.get("true_cfg_scale") or 0.0)
    guidance = second_pass if second_pass > 1 else call.get("guidance_scale")
    pulls = guidance is not None and (second_pass > 1 or "true_cfg_scale" not in call)
    made = Pipeline(
        kind=found.pipeline,
        width=size[0],
        height=size[1],
        fps=fps,
        num_frames=frames or fps,
        steps=_whole(call.get("num_inference_steps")) or 50,
        least_steps=stated.least_steps,
        guidance=float(guidance) if isinstance(guidance, int | float) else None,
        words="prompt" in call,
        negative=pulls and "negative_prompt" in call,
        last="last_image" in call and "image" in call,
    )
    if "image" in call:
        made = replace(made, first="required" if call["image"] is REQUIRED else "optional")
    if found.pipeline in FIXED_LENGTH:
        made = replace(made, length_fixed=True, num_frames=_whole(config.get("video_length")) or made.num_frames)
    return made


def _denoiser_config(found: Checkpoint) -> dict[str, Any]:
    return found.config("transformer" if "transformer" in found.parts else "unet")


def _size(found: Checkpoint, call: dict[str, Any], stated: Stated, config: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height: the call's own, the makers', or the network's in places times the autoencoder's factor."""
    width, height = _whole(call["width"]) or stated.width, _whole(call["height"]) or stated.height
    if width and height:
        return width, height
    space = 2 ** (len(found.config("vae").get("block_out_channels", [0])) - 1)
    side = config.get("sample_size")
    across, down = (_whole(config.get(name, side)) for name in ("sample_width", "sample_height"))
    return (across * space, down * space) if across and down else None


def _said(native: str) -> tuple[tuple[int, int], int]:
    size, _, rate = native.partition("@")
    width, _, height = size.lower().partition("x")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) <= 4096 for part in (width, height, rate)):
        raise WrongSetup(field="native", given=native, allowed="WIDTHxHEIGHT@FPS, such as 720x480@8")
    return (int(width), int(height)), int(rate)


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value >= 1 else None
