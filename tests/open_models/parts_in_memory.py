"""What holds of every family's memory: foretold, held to counted bytes; parts that take turns, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from step_by_step import ended, joined

from rushes.acceleration.plan import Plan
from rushes.acceleration.tensors import TensorBytes
from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.errors import OutOfMemory
from rushes.models.adapter import NO_INPUTS, Frames, Inputs
from rushes.models.parts import How

NUMBERS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
ROOMY = 1 << 40
PLAIN = How()

Film = Callable[[Engine, Card], tuple[Frames, Any]]
"""Frames and sound of the clip that a test asks for again and again."""


def made(engine: Engine, card: Card, request: Any, inputs: Inputs = NO_INPUTS) -> tuple[Frames, Any]:
    """Frames, and the sound or None."""
    _, chunks = engine.generate(request, card, lambda progress: None, inputs)
    return joined(chunks)


def counted(verb: Callable[..., Any], *given: Any, **named: Any) -> int:
    """The most bytes of tensors that there are at once while this is done, beside those from before."""
    with TensorBytes() as seen, torch.no_grad():
        verb(*given, **named)
    return seen.most


def foretold(adapter: Any, request: Any, stage: str, how: How = PLAIN) -> int:
    """What it says is made at the stage."""
    return max(each.activation_bytes for each in adapter.needs(request, how).stages if each.name == stage)


def parts_take_what_their_headers_say(networks: Any, names: Iterable[str] = (), within: float = 0.12) -> None:
    for name in names or networks.kinds:
        assert networks.sizes[name] == pytest.approx(tensor_bytes(networks.get(name)), rel=within), name


class Watched(KeptParts):
    """Writes down what is loaded, and how much there is at most."""

    def __init__(self, memory_bytes: int = ROOMY) -> None:
        super().__init__(memory_bytes)
        self.loaded: list[str] = []
        self.most_bytes = 0

    def part(self, key: str, size_bytes: int, load: Callable[[], Any], **how: Any) -> Any:
        def noted() -> Any:
            self.loaded.append(key)
            return load()

        given = super().part(key, size_bytes, noted, **how)
        self.most_bytes = max(self.most_bytes, self.loaded_bytes)
        return given


def parts_take_turns_and_no_bit_changes(film: Film, card: Card, request: Any) -> Plan:
    """Where there is room for `request`, but not for all parts at once; how the second of two clips was made."""
    roomy = Engine(residency=KeptParts(ROOMY))
    whole = film(roomy, card)
    adapter: Any = roomy.adapter(card)
    needs = adapter.needs(request, PLAIN)
    apart_bytes, together_bytes = (needs.size_bytes(apart=apart) for apart in (True, False))
    assert apart_bytes < together_bytes
    tight = Watched((apart_bytes + together_bytes) // 2)
    engine = Engine(residency=tight)
    for _ in range(2):
        assert all(map(np.array_equal, film(engine, card), whole))
        assert len(tight.keys) < len(set(tight.loaded)), "some had to give way"
    assert len(tight.loaded) > len(set(tight.loaded)), "and were loaded again"
    assert tight.most_bytes <= tight.budget_bytes()
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart"]
    assert plan.exactness == "exact"
    return plan


def what_cannot_fit_is_refused_and_the_next_is_made(
    film: Callable[..., tuple[Frames, Any]], card: Card, request: Any, numbers: str, **larger: Any
) -> tuple[Frames, Any]:
    """Where there is room for `request` with all parts at once, and none for a `larger` one; the next film."""
    adapter: Any = Engine().adapter(card)
    kept = KeptParts(adapter.needs(request, PLAIN).size_bytes(apart=False))
    engine = Engine(residency=kept)
    with pytest.raises(OutOfMemory, match=numbers):
        film(engine, card, **larger)
    assert kept.keys == (), "nothing was loaded for it"
    return film(engine, card)


def given_up_between_any_two_verbs(adapter: Any, kept: KeptParts, request: Any, inputs: Inputs = NO_INPUTS) -> Frames:
    """The frames of a clip whose parts are loaded anew for every verb and step."""
    condition = adapter.encode(request, inputs)
    kept.drop_all()
    state = adapter.prepare(condition, request.seed)
    while state.index < state.num_steps:
        kept.drop_all()
        state = adapter.step(state, state.index)
    kept.drop_all()
    return joined(adapter.decode(state))[0]


def blocks_that_visit_end_alike(plain: Any, turning: Any, request: Any, inputs: Inputs = NO_INPUTS) -> None:
    """`turning` has accelerated so that its blocks come to the device one at a time."""
    ends = [ended(one, one.prepare(one.encode(request, inputs), 7)).to_bytes() for one in (plain, turning)]
    assert ends[0] == ends[1]


def steps_run_out_of_memory(adapter: Any, monkeypatch: pytest.MonkeyPatch, times: int = 2) -> None:
    """The first that are tried."""
    failures, step = [MemoryError()] * times, adapter.step

    def failing(state: Any, index: int) -> Any:
        if failures:
            raise failures.pop()
        return step(state, index)

    monkeypatch.setattr(adapter, "step", failing)
