"""What hosted ids promise, as data, so that a client can be tested here against the limits it will meet there.

None of these models is here. An id answers only where the operator maps it to a card (`lookup`); then its
rules hold and so do the card's. Figures are those of Together's public pages; where these say nothing, the
general parameter page holds, and what that leaves to the model is left to the card.
"""

from collections.abc import Mapping

from rushes.catalogue.card import Rules
from rushes.catalogue.contracts import hailuo, kling, wan27

HOSTED: Mapping[str, Rules] = {**hailuo.RULES, **wan27.RULES, **kling.RULES}
