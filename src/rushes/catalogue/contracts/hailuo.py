"""MiniMax Hailuo 02: text, or a first frame and text."""

from __future__ import annotations

from collections.abc import Mapping

from rushes.catalogue.card import Choice, MediaRule, MediaRules, Rules, Text
from rushes.catalogue.contracts.general import GUIDANCE, STEPS
from rushes.catalogue.sizes import Size, Sizes

RULES: Mapping[str, Rules] = {
    "minimax/hailuo-02": Rules(
        prompt=Text("required", min_chars=2, max_chars=3_000),
        # The failure example in Together's own pages is a negative_prompt sent to this id.
        negative_prompt=Text("refused"),
        sizes=Sizes(pairs=(Size(1366, 768), Size(1920, 1080)), default=Size(1366, 768)),
        # The older table says 10, the vendor offers 6 and 10, and the general default is 6.
        seconds=Choice((6, 10), 6),
        fps=Choice((25,), 25),
        steps=STEPS,
        guidance_scale=GUIDANCE,
        media=MediaRules(frame_images=MediaRule(1, ("first",))),
    ),
}
