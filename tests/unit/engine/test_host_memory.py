"""The host's memory is looked at before a network by turns is loaded into it, and what visits comes home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rushes.acceleration.plan import planned
from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import VideoRequest
from rushes.engine import host, residency
from rushes.engine.residency import HOST_RESERVE_BYTES, KeptParts, NoHostRoom
from rushes.engine.work import STEPS, Work
from rushes.errors import GenerationFailed, OutOfMemory
from rushes.models.parts import How, Needs, Stage

GB = 10**9
CARD = OPEN[0]
REQUEST = resolve(VideoRequest(model=CARD.id, prompt="A penguin"), Catalogue([CARD]).find(CARD.id), lambda: 7)


@dataclass
class Host:
    """A machine with so much free memory."""

    free_bytes: int


class Network:
    def parameters(self) -> tuple[Any, ...]:
        return ()

    buffers = parameters


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Host:
    machine = Host(30 * GB)
    monkeypatch.setattr(residency, "host_bytes", lambda: machine.free_bytes)
    return machine


def loaded_by_turns(kept: KeptParts, key: str, host_bytes: int, home: Callable[[Any], None] = lambda part: None) -> Any:
    return kept.part(key, 10, Network, host_bytes=host_bytes, home=home)


def test_one_that_has_no_room_is_not_loaded_and_both_numbers_are_said(machine: Host) -> None:
    kept = KeptParts(100)
    loaded: list[str] = []
    with pytest.raises(NoHostRoom) as full:
        kept.part("expert", 10, lambda: loaded.append("expert"), host_bytes=28 * GB, home=print)
    assert not loaded and not kept.keys
    assert (full.value.needed_bytes, full.value.free_bytes) == (28 * GB + HOST_RESERVE_BYTES, 30 * GB)
    assert loaded_by_turns(kept, "smaller", 25 * GB) is not None, "the next one is loaded"


def test_what_waits_there_gives_way_first_and_no_more_of_it_than_needed(
    machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptParts(10)
    for key in ("old", "older", "young"):
        loaded_by_turns(kept, key, GB)  # each drives out the one before, which waits
    gave: list[int] = []

    def collected() -> None:
        gave.append(1)
        machine.free_bytes += 3 * GB

    monkeypatch.setattr(residency, "collect", collected)
    machine.free_bytes = 17 * GB
    loaded_by_turns(kept, "large", 18 * GB)  # "young" gives way on the device, the oldest of those who wait in the host
    assert len(gave) == 2
    assert list(kept._waiting) == ["older", "young"]


def test_of_two_experts_that_both_fit_the_device_one_gives_way_where_the_host_holds_only_one(
    machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptParts(100)
    loaded_by_turns(kept, "transformer", 20 * GB)
    machine.free_bytes = 10 * GB

    def collected() -> None:
        machine.free_bytes = 30 * GB

    monkeypatch.setattr(residency, "collect", collected)
    loaded_by_turns(kept, "transformer_2", 20 * GB)
    assert kept.keys == ("transformer_2",)


def test_one_that_waits_there_is_taken_back_without_a_look(machine: Host) -> None:
    kept = KeptParts(10)
    one = loaded_by_turns(kept, "one", GB)
    loaded_by_turns(kept, "other", GB)
    machine.free_bytes = HOST_RESERVE_BYTES
    assert loaded_by_turns(kept, "one", GB) is one


def test_what_visits_is_brought_home_wherever_its_network_is_kept(machine: Host) -> None:
    kept = KeptParts(10)
    home: list[Any] = []
    waits, works = (loaded_by_turns(kept, key, GB, home.append) for key in ("waits", "works"))
    assert kept.keys == ("works",)
    kept.bring_home()
    assert set(home) == {waits, works}


@dataclass
class Model:
    """An adapter for a GPU whose expert of 40 bytes has room, with a pass of 30 more, only by turns or in pieces."""

    kept: KeptParts
    fails: list[type[Exception]] = field(default_factory=list)
    device_kind: str = "cuda"
    how: How = field(default_factory=How)
    home: list[str] = field(default_factory=list)
    made_bytes: int = 0

    @classmethod
    def resident(cls, card: Any, residency: Any) -> Model:
        return cls(residency)

    def needs(self, request: Any, how: How) -> Needs:
        made = 30 if how.pieces == 1 else 5
        return Needs((Stage("steps", {"expert": 10 if how.blocks else 40}, made),), error=0.0)

    def accelerate(self, how: How, dress: Any) -> None:
        self.how = how

    def step(self) -> tuple[bool, int]:
        if self.how.blocks:
            self.kept.part("by turns", 10, Network, host_bytes=28 * GB, home=lambda part: self.home.append("came home"))
        else:
            self.kept.part("expert", 40, Network, host_bytes=self.made_bytes)
        if self.fails:
            raise self.fails.pop()
        return self.how.blocks, self.how.pieces


def work(model: Model, quality: str) -> Work:
    return Work(model, replace(REQUEST, quality=quality), planned(CARD, "cuda", quality), model.kept)


def test_where_the_host_has_room_blocks_take_turns(machine: Host) -> None:
    machine.free_bytes = 40 * GB
    model = Model(KeptParts(60))
    assert work(model, "high").do(STEPS, model.step) == (True, 1)


def test_where_it_has_none_the_plan_goes_on_without_them(machine: Host) -> None:
    model = Model(KeptParts(60))
    one = work(model, "high")
    assert one.do(STEPS, model.step) == (False, 8)
    assert one.plan is not None
    assert "blocks" not in [technique.name for technique in one.plan.techniques]


def test_where_no_other_rung_is_left_the_job_fails_with_the_hosts_numbers_and_the_next_one_runs(machine: Host) -> None:
    model = Model(KeptParts(60))
    with pytest.raises(OutOfMemory) as refusal:
        work(model, "exact").do(STEPS, model.step)
    said = str(refusal.value)
    assert "need about 70 B here, most of it for steps; 60 B are there" in said
    assert "of the host's memory it would take 32.3 GB with what has to stay free, and 30 GB are there" in said
    assert isinstance(refusal.value, GenerationFailed)
    machine.free_bytes = 40 * GB
    assert work(model, "exact").do(STEPS, model.step) == (True, 1)


def test_one_that_is_made_of_other_numbers_on_its_way_to_the_device_is_looked_at_too(machine: Host) -> None:
    model = Model(KeptParts(100), made_bytes=28 * GB)
    with pytest.raises(OutOfMemory, match=r"32\.3 GB with what has to stay free, and 30 GB are there"):
        work(model, "fast").do(STEPS, model.step)
    model.made_bytes = 20 * GB
    assert work(model, "fast").do(STEPS, model.step) == (False, 1)


def test_after_the_device_ran_out_nobody_goes_back_to_the_plan_that_did(machine: Host) -> None:
    model = Model(KeptParts(1000), fails=[MemoryError] * 2)  # also with its parts one at a time
    with pytest.raises(OutOfMemory, match=r"32\.3 GB with what has to stay free"):
        work(model, "exact").do(STEPS, model.step)


@pytest.mark.parametrize("fails", [1, 2])
def test_where_memory_runs_out_in_a_pass_by_turns_what_visits_comes_home(machine: Host, fails: int) -> None:
    machine.free_bytes = 40 * GB
    model = Model(KeptParts(60), fails=[MemoryError] * fails)
    one = work(model, "high")
    if fails == 1:
        assert one.do(STEPS, model.step) == (True, 8)
    else:
        with pytest.raises(OutOfMemory, match="memory ran out in steps"):
            one.do(STEPS, model.step)
    assert model.home == ["came home"] * fails


def group(folder: Path, limit: str, taken: int, cached: int, version: int = 2) -> None:
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{taken}\n")
    (folder / "memory.stat").write_text(f"anon {taken - cached}\n{names[2]} {cached}\n")


def process_in(proc: Path, *lines: str) -> None:
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("".join(f"{line}\n" for line in lines))


def test_a_service_may_take_no_more_than_it_and_all_around_it_may(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    process_in(proc, "0::/system.slice/rushes.service")
    group(groups / "system.slice" / "rushes.service", str(8 * GB), 5 * GB, 2 * GB)
    group(groups / "system.slice", str(6 * GB), 5 * GB, GB)
    assert sorted(host._left_in_groups(proc, groups)) == [2 * GB, 5 * GB]
    group(groups / "system.slice", "max", 5 * GB, GB)
    assert host._left_in_groups(proc, groups) == [5 * GB]


def test_a_service_that_is_slowed_down_beyond_a_limit_stays_below_it(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    process_in(proc, "0::/rushes.service")
    group(groups / "rushes.service", "max", 5 * GB, 2 * GB)
    (groups / "rushes.service" / "memory.high").write_text(f"{6 * GB}\n")
    assert host._left_in_groups(proc, groups) == [3 * GB]
    (groups / "rushes.service" / "memory.high").write_text("max\n")
    assert host._left_in_groups(proc, groups) == []


def test_a_container_sees_its_limit_at_the_top_whatever_it_is_called_outside(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    process_in(proc, "12:cpu,cpuacct:/docker/abc", "9:memory:/docker/abc", "0::/")
    group(groups / "memory", str(4 * GB), 3 * GB, 2 * GB, version=1)
    assert host._left_in_groups(proc, groups) == [3 * GB]


def test_where_no_group_has_a_limit_the_machine_has_the_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    assert host._left_in_groups(proc, groups) == []
    process_in(proc, "0::/")
    group(groups, "max", GB, 0)
    assert host._left_in_groups(proc, groups) == []
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 1000 kB\n")
    assert host.machine_bytes(proc) == 1000 * 1024
    assert host.host_bytes() > 0
    for groups_left, least in (([], 4 * GB), ([5 * GB], 4 * GB), ([5 * GB, GB], GB)):
        monkeypatch.setattr(host, "machine_bytes", lambda: 4 * GB)
        monkeypatch.setattr(host, "_left_in_groups", lambda left=groups_left: left)
        assert host.host_bytes() == least
