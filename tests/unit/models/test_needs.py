"""How much less than foretold a clip may need: what is made may be less, files are as large as they are."""

from __future__ import annotations

import pytest

from rushes.models.parts import Needs, Stage

NEEDS = Needs((Stage("words", {"reader": 170}, 10), Stage("steps", {"mover": 60}, 100)), error=0.2)


@pytest.mark.parametrize(("apart", "foretold", "least"), [(True, 180, 178), (False, 330, 310)])
def test_only_what_is_made_may_turn_out_less(apart: bool, foretold: int, least: int) -> None:
    assert NEEDS.size_bytes(apart=apart) == foretold
    assert NEEDS.least_bytes(apart=apart) == least
