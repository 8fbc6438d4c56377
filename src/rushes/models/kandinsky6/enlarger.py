"""What raises a film to 1080P, read from the folder that its makers publish it in. Imports no tensor library.

It is a checkpoint of its own and serves every model of the family: its operator puts it, as it is, beside their parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rushes.weights.checkpoint import SUPER_RESOLUTION, Checkpoint, refused

PLAIN_SCHEDULER, DISTILLED_SCHEDULER = "FlowMatchEulerDiscreteScheduler", "PiflowScheduler"
STEPS = {PLAIN_SCHEDULER: 4, DISTILLED_SCHEDULER: 2}
"""To a tile: the library's own number, and its advice for the distilled one."""
CLASSES = {
    "transformer": ("Kandinsky6SRTransformer3DModel",),
    "vae": ("Kandinsky6SRVAE",),
    "latent_upscaler": ("Kandinsky6SRLatentUpscalerBank",),
    "scheduler": (PLAIN_SCHEDULER, DISTILLED_SCHEDULER),
}
NETWORKS = ("transformer", "vae", "latent_upscaler")

STRETCH = Fraction(9, 8)  # as pixels, before
DOUBLING = 2  # as latents
BLOCK = 8  # tokens each way that attention takes together; fixed in the library too


@dataclass(frozen=True, slots=True)
class Enlarger:
    """The numbers of one. `tiles` are (height, width) in pixels of what it works on at once, as they come out."""

    checkpoint: Checkpoint
    channels: int
    space: int  # pixels to a latent place, each way
    time: int  # frames to a latent frame, after the first
    tiles: tuple[tuple[int, int], ...]
    steps: int  # to a tile

    def stretched(self, side: int) -> int:
        """A side of the film as it is encoded: an eighth more, in whole latent places."""
        return round(side * float(STRETCH) / self.space) * self.space

    def enlarged(self, side: int) -> int:
        """A side of the film as it comes out."""
        return DOUBLING * self.stretched(side)

    def tile(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) of the tiles for a film that is encoded at this size: the one nearest in shape."""
        return min(self.tiles, key=lambda tile: abs(tile[1] / tile[0] - width / height))

    def takes(self, width: int, height: int) -> bool:
        """Whether a film of this size has room for a tile."""
        across, down = self.stretched(width), self.stretched(height)
        tile_height, tile_width = self.tile(across, down)
        return tile_height <= DOUBLING * down and tile_width <= DOUBLING * across


def read_enlarger(model: Checkpoint, *, time: int) -> Enlarger | None:
    """The one beside the parts of `model`, of which a latent frame is `time` frames; None where there is none.

    Errors  WrongSetup where there is something else.
    """
    found = next((nested for nested in model.nested if nested.folder.name == SUPER_RESOLUTION), None)
    if found is None:
        return None
    for part, kinds in CLASSES.items():
        if found.parts.get(part) not in kinds:
            said = f"is a {found.parts[part]}" if part in found.parts else "is missing"
            raise refused(found.folder, f"Kandinsky 6's super-resolution, its {part} as {kinds[0]}", f"{part} {said}")
    found.check_weights(NETWORKS)
    transformer, vae, upscaler, scheduler = (found.config(part) for part in (*NETWORKS, "scheduler"))
    try:
        # The library's own defaults, for what a configuration leaves out.
        levels = len(vae.get("encoder_block_out_channels", range(5)))
        distilled = found.parts["scheduler"] == DISTILLED_SCHEDULER
        enlarger = Enlarger(
            checkpoint=found,
            channels=int(vae.get("latent_channels", 64)),
            space=1 << (levels - 1),
            time=int(vae.get("temporal_compression_ratio", 4)),
            tiles=tuple(
                (int(height), int(width))
                for height, width in transformer.get("tile_sizes", ((512, 512), (512, 768), (768, 512)))
            ),
            steps=STEPS[found.parts["scheduler"]],
        )
        channels = enlarger.channels
        patch = [int(side) for side in transformer.get("patch_size", (1, 1, 1))]
        fits = {
            "as many frames to a latent frame as the model": enlarger.time == time,
            "a transformer as wide as the latent": int(transformer.get("in_visual_dim", 64)) == channels,
            "a transformer that says what its scheduler reads": (
                int(transformer.get("out_visual_dim", 640))
                == channels * (int(scheduler.get("n_grid", 10)) if distilled else 1)
            ),
            "a latent_upscaler that doubles this latent": (
                int(upscaler.get("in_channels", 64)) == channels and DOUBLING in upscaler.get("scales", (2, 4))
            ),
            "tiles of whole blocks": bool(enlarger.tiles) and _whole(enlarger, patch),
            "a scheduler with a fixed schedule and no noise of its own": not (
                scheduler.get("use_dynamic_shifting") or scheduler.get("stochastic_sampling")
            ),
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        reason = f"its configuration lacks or garbles {error}"
        raise refused(found.folder, "Kandinsky 6's super-resolution", reason) from None
    for wanted, met in fits.items():
        if not met:
            raise refused(found.folder, wanted, "its configuration says otherwise")
    return enlarger


def _whole(enlarger: Enlarger, patch: list[int]) -> bool:
    """Whether tiles are whole blocks of attention, and whole latent places before they are doubled."""
    steps: list[Any] = [DOUBLING * enlarger.space, *(BLOCK * side * enlarger.space for side in patch[1:])]
    return patch[0] == 1 and all(side % step == 0 for tile in enlarger.tiles for side in tile for step in steps)
