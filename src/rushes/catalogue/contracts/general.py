"""What the general parameter page says of every model, and no page says otherwise per id."""

from __future__ import annotations

from rushes.catalogue.card import Span

STEPS = Span(10, 50)
GUIDANCE = Span(0, None, above_low=True)  # 6 to 10 is advised, above 12 discouraged; no limit is published
