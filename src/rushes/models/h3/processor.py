"""What Qwen3-VL sees of pictures and clips, without torchvision: of its processor the parts that compute with numbers.

The library's clip processor needs torchvision for three small things: to resize, to normalise and to make grey clips
colourful. Sizes and the order of the patches are its own; the three are done here with torch. Pictures have a
processor in the library that does without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.video_processing_utils import BaseVideoProcessor

from rushes.models.loading import Folder

IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
"""The tokens in whose place pictures and clips stand."""


class _InTorch(BaseVideoProcessor):  # type: ignore[misc, unused-ignore]
    """Stands between the library's clip processor and its base, in the order in which methods are looked up."""

    def convert_to_rgb(self, video: Tensor) -> Tensor:
        """As it is: every clip here is RGB."""
        return video

    def resize(self, image: Tensor, size: Any, resample: Any = None, **how: Any) -> Tensor:
        """uint8 (…, height, width) as `size`; no other interpolation than the processor's own, bicubic."""
        if image.shape[-2:] == (size.height, size.width):
            return image
        # In eight bits, as torchvision does it: rounded between rows and columns too.
        films = image.flatten(0, -4)
        made = torch.nn.functional.interpolate(films, (size.height, size.width), mode="bicubic", antialias=True)
        return made.unflatten(0, image.shape[:-3])

    def normalize(self, image: Tensor, mean: Tensor, std: Tensor, **how: Any) -> Tensor:
        return (image - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


class Videos(Qwen3VLVideoProcessor, _InTorch):  # type: ignore[misc, unused-ignore]
    """The library's clip processor: uint8 clips (T, height, width, 3) to patches."""

    cap_pixels_per_frame = False  # as the blocks have it, said aloud: this default is about to turn


@dataclass(frozen=True, slots=True, eq=False)
class Processor:
    """Of a `Qwen3VLProcessor` what MiniMax-H3's blocks ask for."""

    image_processor: Any
    video_processor: Any
    image_id: int
    video_id: int

    @classmethod
    def loaded(cls, folder: Folder, tokenizer: Any) -> Processor:
        """From the part `processor`. Errors  GenerationFailed."""
        image, video = (tokenizer.convert_tokens_to_ids(token) for token in (IMAGE, VIDEO))
        return cls(folder.part("processor", Qwen2VLImageProcessorPil), folder.part("processor", Videos), image, video)

    def create_mm_token_type_ids(self, rows: list[list[int]]) -> list[list[int]]:
        """For each token 1 where a picture stands in its place, 2 for a clip, 0 for words."""
        kinds = {self.image_id: 1, self.video_id: 2}
        return [[kinds.get(token, 0) for token in row] for row in rows]
