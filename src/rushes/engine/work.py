"""A model at work on one clip, within the memory there is.

What the clip needs is foretold before anything is allocated, and the plan taken down its ladder until that fits. Where
the device runs out all the same, the plan goes one rung further and the same verb is called again: no state was
changed by the one that failed. Where no rung is left, the job fails with the numbers, and the next one runs.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from rushes.acceleration.plan import ALLOWED, Plan
from rushes.acceleration.put_on import accelerate
from rushes.catalogue.card import Card
from rushes.contract.request import ResolvedRequest
from rushes.engine.residency import KeptParts, NoHostRoom, collect
from rushes.errors import OutOfMemory
from rushes.models.adapter import AnyAdapter, Chunk
from rushes.models.parts import Needs, Resident

log = logging.getLogger(__name__)

T = TypeVar("T")
READING, PICTURES, STEPS, DECODING = "words", "pictures", "steps", "decoding"
VISITS = "blocks"  # the rung that needs the host's memory
RAN_OUT = ("can't allocate memory", "bad_alloc", "can't start new thread")
"""What a RuntimeError says where memory ran out on a CPU: torch's allocator, C++'s, and Python where there was no room
for the stack of one of the threads that read a checkpoint."""


class Work:
    """The verbs of `adapter` for `request`, by `plan` or by one below it on the ladder."""

    def __init__(self, adapter: AnyAdapter, request: ResolvedRequest, plan: Plan | None, residency: KeptParts) -> None:
        """Errors  OutOfMemory where no plan fits by what is foretold."""
        self.adapter = adapter
        self.plan = plan
        self._request = request
        self._residency = residency
        residency.alone = False
        self._full: NoHostRoom | None = None
        if plan is not None:
            if isinstance(adapter, Resident):
                self.plan = self._fitting(adapter, plan)
            accelerate(adapter, self.plan or plan)

    @property
    def cramped(self) -> bool:
        """Whether parts take turns: a look at the clip would drive out the one that makes it."""
        return self.plan is not None and self.plan.how.apart

    def do(self, stage: str, verb: Callable[[], T]) -> T:
        """What `verb` gives; called again one rung lower each time memory runs out in it."""
        while True:
            self._leave(stage)
            try:
                return verb()
            except Exception as error:
                if not ran_out(error):
                    raise
                log.warning("out of memory in %s: %s", stage, type(error).__name__)
                full = no_host_room(error)
            # Outside of the handler, whose error holds on to the tensors of the failed call.
            self._step_down(stage, full)

    def chunks(self, decode: Callable[[], Iterator[Chunk]]) -> Iterator[Chunk]:
        """The chunks of `decode`; begun again where memory runs out, without those that were handed out."""
        given = 0
        while True:
            self._leave(DECODING)
            try:
                for number, chunk in enumerate(decode()):
                    if number >= given:
                        yield chunk
                        given += 1
                return
            except Exception as error:
                if not ran_out(error):
                    raise
                log.warning("out of memory in %s: %s", DECODING, type(error).__name__)
                full = no_host_room(error)
            self._step_down(DECODING, full)

    def _fitting(self, adapter: Resident, plan: Plan) -> Plan:
        """The first plan down the ladder that fits; the last one where it may fit within what is foretold."""
        while True:
            needs, free_bytes = adapter.needs(self._request, plan.how), self._residency.budget_bytes()
            if needs.size_bytes(apart=plan.how.apart) <= free_bytes:
                return plan
            lower = plan.lowered(needs.largest.name)
            if lower is None:
                if needs.least_bytes(apart=plan.how.apart) <= free_bytes:
                    return plan
                raise self._too_large(plan, needs)
            plan = lower

    def _leave(self, stage: str) -> None:
        """Keep free what the verb of `stage` will make, beside the parts that it asks for."""
        if self.plan is None or not isinstance(self.adapter, Resident):
            return
        names = (READING, PICTURES) if stage == READING else (stage,)
        stages = self.adapter.needs(self._request, self.plan.how).stages
        self._residency.leave(max((each.activation_bytes for each in stages if each.name in names), default=0))

    def _step_down(self, stage: str, full: NoHostRoom | None) -> None:
        """`full` where it was the host's memory. Errors  OutOfMemory where there is no lower rung for `stage`."""
        self._residency.bring_home()
        collect()
        plan = self.plan
        lower = plan.lowered(stage) if plan is not None else None
        if plan is not None and full is not None:
            self._full, visits, plan = full, plan.how.blocks, _without_visits(plan)
            # Where the host was full before the device was, the plan without visits has not been tried. No other
            # rung takes less of the host.
            untried = plan if not self._residency.alone else plan.lowered(stage)
            lower = untried if visits else None
        if plan is None or lower is None or not isinstance(self.adapter, Resident):
            self._residency.drop_all()
            needs = self.adapter.needs(self._request, plan.how) if plan and isinstance(self.adapter, Resident) else None
            raise self._too_large(plan, needs, stage)
        if full is not None:
            lower = self._fitting(self.adapter, lower)
        log.warning("going on with %s", lower.techniques[-1].said)
        self._residency.alone = True
        self.plan = lower
        accelerate(self.adapter, lower)

    def _too_large(self, plan: Plan | None, needs: Needs | None, stage: str | None = None) -> OutOfMemory:
        request, free_bytes = self._request, self._residency.budget_bytes()
        said = f"{request.width}x{request.height} and {request.seconds:g} seconds"
        if needs is not None and plan is not None:
            said += (
                f" need about {_gb(needs.size_bytes(apart=plan.how.apart))} here, most of it for {needs.largest.name}"
            )
        said += f"; {_gb(free_bytes)} are there"
        if self._full is not None:
            said += (
                f"; of the host's memory it would take {_gb(self._full.needed_bytes)} with what has to stay free, "
                f"and {_gb(self._full.free_bytes)} are there"
            )
        elif stage is not None:
            said += f"; memory ran out in {stage}"
        tried = "; ".join(technique.said for technique in plan.tried) if plan is not None else ""
        said += f"; tried: {tried or 'nothing else is known for this model'}"
        kept_back = plan is not None and any(
            rung.technique.exactness not in ALLOWED[plan.quality] for rung in plan.ladder if plan.device in rung.devices
        )
        smaller = "ask for a smaller or shorter video"
        return OutOfMemory(
            f"{OutOfMemory.summary}: {said}. Hint: {smaller}{', or for another quality' if kept_back else ''}"
        )


def check_parts(card: Card, residency: KeptParts) -> None:
    """Refuse a model that gives up none of its parts, where not even they fit. Errors  OutOfMemory with the numbers."""
    if card.weights is None or card.weights.folder is None:
        return
    from rushes.models.kept import least_bytes

    needed_bytes, free_bytes = least_bytes(card), residency.budget_bytes()
    if needed_bytes > free_bytes:
        raise OutOfMemory(
            f"{OutOfMemory.summary}: the parts of {card.id} take {_gb(needed_bytes)} and are loaded all at once; "
            f"{_gb(free_bytes)} are there. Hint: ask for another model"
        )


def _gb(size_bytes: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size_bytes >= scale / 10:
            return f"{size_bytes / scale:.3g} {unit}"
    return f"{size_bytes:.0f} B"


def _without_visits(plan: Plan) -> Plan:
    """`plan` with all of the transformer on the device, and no way back."""
    return replace(
        plan,
        how=replace(plan.how, blocks=False),
        techniques=tuple(technique for technique in plan.techniques if technique.name != VISITS),
        ladder=tuple(rung for rung in plan.ladder if rung.technique.name != VISITS),
    )


def ran_out(error: BaseException) -> bool:
    """Whether `error`, or what it came from, says that memory ran out."""
    torch = sys.modules.get("torch")
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return True
        if isinstance(cause, OSError) and cause.errno == errno.ENOMEM:
            return True
        if torch is not None and isinstance(cause, torch.OutOfMemoryError):
            return True
        if isinstance(cause, RuntimeError) and any(words in str(cause) for words in RAN_OUT):
            return True
    return False


def no_host_room(error: BaseException) -> NoHostRoom | None:
    """What `error` says of the host's memory, without the tensors that it holds on to."""
    found = next((cause for cause in _causes(error) if isinstance(cause, NoHostRoom)), None)
    return None if found is None else NoHostRoom(found.needed_bytes, found.free_bytes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
