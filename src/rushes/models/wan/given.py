"""What pictures and clips come to, for each arrangement of the family: tensors that every step is told.

"first"    latent of the first frame, which takes the place of its noise
"beside"   channels beside the noise: which frames are known, and the latent of a film that holds them
"seen"     what CLIP sees in the pictures
"control"  channels for the second stack of blocks: what to keep, what to change, and where which
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from rushes.contract.artifact import Native
from rushes.models.adapter import Frames, Inputs
from rushes.models.wan.components import Components
from rushes.models.wan.film import encoded, pixels
from rushes.models.wan.layout import Layout

CLIP_SIDE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def laid_out(inputs: Inputs, native: Native, layout: Layout, parts: Components) -> dict[str, Tensor]:
    """The tensors for `inputs`, by name, on the device. What the layout cannot use was refused by its card."""
    at = dict(inputs.keyframes)
    match layout.kind:
        case "text or first frame":
            return {"first": encoded(pixels(at[0][None], parts.device), parts.vae)} if at else {}
        case "any frames":
            return {"control": control(inputs, native, layout, parts)}
        case "text":
            return {}
    pictures = {frame: at[frame] for frame in sorted(at)}
    given = {"beside": beside(pictures, native, layout, parts)}
    if parts.image_encoder is not None:
        given["seen"] = seen(list(pictures.values()), parts.image_encoder)
    return given


def beside(pictures: dict[int, Frames], native: Native, layout: Layout, parts: Components) -> Tensor:
    """(1, time + z_dim, T, rows, cols): which latent places are known, and a film that is grey but for `pictures`."""
    film = torch.zeros(1, 3, native.num_frames, native.height, native.width, device=parts.device)
    known = torch.zeros(1, 1, native.num_frames, native.height // layout.space, native.width // layout.space)
    for frame, picture in pictures.items():
        film[:, :, frame] = pixels(picture[None], parts.device)[:, :, 0]
        known[:, :, frame] = 1.0
    # The first latent frame is one frame, those after it are `time`: the first counts that many times.
    known = torch.cat([known[:, :, :1].repeat_interleave(layout.time, dim=2), known[:, :, 1:]], dim=2)
    known = known.view(1, -1, layout.time, *known.shape[3:]).transpose(1, 2)
    latent = encoded(film, parts.vae)
    return torch.cat([known.to(latent.device), latent], dim=1)


def seen(pictures: list[Frames], image_encoder: Any) -> Tensor:
    """(pictures, places, width): the last but one layer of CLIP, as the transformer was trained on."""
    prepared = torch.stack([_for_clip(picture) for picture in pictures]).to(image_encoder.device)
    hidden: Tensor = image_encoder(pixel_values=prepared, output_hidden_states=True).hidden_states[-2]
    return hidden


def _for_clip(picture: Frames) -> Tensor:
    """(3, 224, 224): the short side scaled to 224, the middle cut out, normalised.

    Done here because the library's own does it by one of two packages, whichever is installed, with other bits.
    """
    height, width, _ = picture.shape
    short = min(height, width)
    size = (int(width * CLIP_SIDE / short), int(height * CLIP_SIDE / short))
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    top, left = (scaled.shape[0] - CLIP_SIDE) // 2, (scaled.shape[1] - CLIP_SIDE) // 2
    middle = scaled[top : top + CLIP_SIDE, left : left + CLIP_SIDE]
    # Double precision until the end, as the reference has it.
    unit = (middle * (1 / 255)).astype(np.float32)
    normal = (unit - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))


def control(inputs: Inputs, native: Native, layout: Layout, parts: Components) -> Tensor:
    """(1, 2 z_dim + space², references + T, rows, cols): what is kept, what is to change, and where which.

    Keyframes and a clip to continue are kept whole. A clip to edit is changed everywhere, or where its mask says, and
    seen while it is. Of what nothing is given, the film is grey and all is to change. References come before it.
    """
    shape = (native.num_frames, native.height, native.width)
    film, changes = np.full((*shape, 3), 127.5, np.float32), np.ones(shape, np.float32)
    if inputs.source_THWC is not None:
        film[: len(inputs.source_THWC)] = inputs.source_THWC
    if inputs.source_mask_THW is not None:
        changes[: len(inputs.source_mask_THW)] = inputs.source_mask_THW > 127
    if inputs.lead_in_THWC is not None:
        film[: len(inputs.lead_in_THWC)] = inputs.lead_in_THWC
        changes[: len(inputs.lead_in_THWC)] = 0.0
    for frame, picture in inputs.keyframes:
        film[frame], changes[frame] = picture, 0.0
    video = pixels(film, parts.device)
    mask = torch.from_numpy(changes).to(parts.device)[None, None]
    kept, changed = encoded(video * (1 - mask), parts.vae), encoded(video * mask, parts.vae)
    where = _folded(mask[0, 0], kept.shape[2], layout)
    whole = torch.cat([torch.cat([kept, changed], dim=1), where], dim=1)
    # The last reference comes first, as the reference code stacks them.
    for reference_THWC in inputs.references:
        alone = encoded(_on_white(reference_THWC[0], native, parts.device), parts.vae)
        rest = alone.new_zeros(1, whole.shape[1] - alone.shape[1], *alone.shape[2:])
        whole = torch.cat([torch.cat([alone, rest], dim=1), whole], dim=2)
    return whole


def _on_white(picture: Frames, native: Native, device: torch.device) -> Tensor:
    """(1, 3, 1, H, W): the whole picture, as large as it fits, in the middle of a white frame."""
    unit = pixels(picture[None], device)[:, :, 0]
    height, width = picture.shape[:2]
    scale = min(native.height / height, native.width / width)
    size = (int(height * scale), int(width * scale))
    scaled = functional.interpolate(unit, size=size, mode="bilinear", align_corners=False)
    top, left = (native.height - size[0]) // 2, (native.width - size[1]) // 2
    white = torch.ones(1, 3, native.height, native.width, device=device)
    white[:, :, top : top + size[0], left : left + size[1]] = scaled
    return white[:, :, None]


def _folded(mask_THW: Tensor, latent_frames: int, layout: Layout) -> Tensor:
    """The mask with the pixels of each latent place as channels: (1, space², T, rows, cols)."""
    frames, height, width = mask_THW.shape
    rows, cols = height // layout.space, width // layout.space
    folded = mask_THW.reshape(frames, rows, layout.space, cols, layout.space).permute(2, 4, 0, 1, 3).flatten(0, 1)
    return functional.interpolate(folded[None], size=(latent_frames, rows, cols), mode="nearest-exact")
