"""The scenery of films: variations of each scene, drawn when first asked for and kept on the device as bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from training.full import built, places
from training.full.canvas import TINTS, Canvas
from training.full.world import LIGHTS, SCENES

DRAW: dict[str, Callable[[Canvas, str], places.Layers]] = {
    "beach": places.beach,
    "sea": places.sea,
    "underwater": places.underwater,
    "lake": places.lake,
    "forest": places.forest,
    "jungle": places.jungle,
    "desert": places.desert,
    "snow": places.snow,
    "mountains": places.mountains,
    "meadow": places.meadow,
    "farm": built.farm,
    "city": built.city,
    "street": built.street,
    "room": built.room,
    "kitchen": built.kitchen,
    "stage": built.stage,
    "space": places.space,
    "moon": places.moon,
    "sky": places.open_sky,
    "cave": places.cave,
    "volcano": places.volcano,
    "castle": built.castle,
    "playground": built.playground,
    "candy land": built.candy_land,
}
CHANNELS = 11  # back RGB, far RGBA, near RGBA
AT_ONCE = 8  # variations drawn together
KEPT_BYTES, KEPT_BYTES_ON_CPU = 12 << 30, 600 << 20

Key = tuple[int, int, int]  # scene, light, variation


def draw(keys: list[Key], height: int, width: int, device: torch.device) -> Tensor:
    """Variations of one scene in one light: (N, CHANNELS, height, panorama) uint8."""
    scene, light, _ = keys[0]
    canvas = Canvas([hash(key) & 0x7FFFFFFF for key in keys], height, width, device)
    back, far, near = DRAW[SCENES[scene].name](canvas, LIGHTS[light])
    if SCENES[scene].outdoors:
        tint = canvas.ink(TINTS[LIGHTS[light]])
        far, near = (torch.cat([layer[:, :3] * tint, layer[:, 3:]], 1) for layer in (far, near))
    return (torch.cat([back[:, :3], far, near], 1).clamp(0, 1) * 255).round().to(torch.uint8)


class Scenery:
    """A store of drawn variations for one picture size on one device; the longest unused goes when it is full."""

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self.height, self.width, self.device = height, width, device
        self._drawn: OrderedDict[Key, Tensor] = OrderedDict()
        each = CHANNELS * height * int(3 * width)
        self._room = max(AT_ONCE, (KEPT_BYTES_ON_CPU if device.type == "cpu" else KEPT_BYTES) // each)

    def take(self, keys: list[Key]) -> Tensor:
        """(B, CHANNELS, height, panorama) uint8, in the order of `keys`."""
        missing: dict[tuple[int, int], list[Key]] = {}
        for key in dict.fromkeys(keys):
            if key not in self._drawn:
                missing.setdefault(key[:2], []).append(key)
        for wanted in missing.values():
            for first in range(0, len(wanted), AT_ONCE):
                some = wanted[first : first + AT_ONCE]
                self._drawn.update(zip(some, draw(some, self.height, self.width, self.device), strict=True))
        for key in keys:
            self._drawn.move_to_end(key)
        taken = torch.stack([self._drawn[key] for key in keys])
        while len(self._drawn) > self._room:
            self._drawn.popitem(last=False)
        return taken
