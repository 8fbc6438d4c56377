"""Parts stay loaded while there is room, give way by least recent use, and are shared by what their files hold."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rushes.engine import residency
from rushes.engine.residency import KeptParts, device_bytes, host_bytes


@dataclass
class Storage:
    size_bytes: int

    def data_ptr(self) -> int:
        return id(self)

    def nbytes(self) -> int:
        return self.size_bytes


@dataclass
class Network:
    """As much of a network as is counted: `sizes` in bytes, `shared` of them one stretch of memory."""

    sizes: list[int]
    buffer_sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storages = [Storage(size) for size in self.sizes]

    def parameters(self):
        for storage in self.storages:
            yield Tensor(storage)

    def buffers(self):
        for size in self.buffer_sizes:
            yield Tensor(Storage(size))


@dataclass
class Tensor:
    storage: Storage

    def untyped_storage(self) -> Storage:
        return self.storage


class Loads:
    """Loads a part of so many bytes, and counts."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def of(self, name: str, size_bytes: int):
        def load() -> Network:
            self.loaded.append(name)
            return Network([size_bytes])

        return name, size_bytes, load


@pytest.fixture
def loads() -> Loads:
    return Loads()


def test_what_is_there_is_not_loaded_again(loads):
    kept = KeptParts(100)
    first = kept.part(*loads.of("text", 40))
    assert kept.part(*loads.of("text", 40)) is first
    assert loads.loaded == ["text"]
    assert kept.loaded_bytes == 40


def test_the_one_used_longest_ago_gives_way(loads):
    kept = KeptParts(100)
    kept.part(*loads.of("text", 40))
    kept.part(*loads.of("video", 40))
    kept.part(*loads.of("text", 40))
    kept.part(*loads.of("expert", 50))
    assert kept.keys == ("text", "expert")
    kept.part(*loads.of("video", 40))
    assert loads.loaded == ["text", "video", "expert", "video"]


def test_what_is_made_while_parts_compute_is_kept_free_beside_them(loads):
    kept = KeptParts(100)
    kept.part(*loads.of("text", 40))
    kept.leave(70)
    kept.part(*loads.of("expert", 30))
    assert kept.keys == ("expert",)
    kept.leave(0)
    kept.part(*loads.of("text", 40))
    assert kept.keys == ("expert", "text")


def test_the_part_that_is_asked_for_stays_however_large_it_is(loads):
    kept = KeptParts(10)
    kept.part(*loads.of("expert", 400))
    assert kept.keys == ("expert",)


def test_bytes_are_counted_from_the_tensors_not_believed(loads):
    kept = KeptParts(100)
    kept.part(*loads.of("text", 60))
    kept.part("liar", 1, lambda: Network([30, 5], buffer_sizes=[15]))
    assert kept.loaded_bytes == 50
    assert kept.keys == ("liar",), "it took fifty, not one, and the other had to go"


def test_one_by_turns_counts_by_what_visits_and_waits_where_it_is(loads):
    kept, network = KeptParts(100), Network([400])  # it has no `to`: nobody may move it
    kept.part(*loads.of("text", 60))
    kept.part("expert", 40, lambda: network, home=print)
    assert kept.keys == ("text", "expert"), "there is room for both"
    assert kept.loaded_bytes == 100
    kept.part(*loads.of("video", 90))
    assert kept.keys == ("video",)
    assert kept.part("expert", 40, lambda: Network([400]), home=print) is network, "it is in memory yet"
    assert kept.loaded_bytes == 40


def test_two_names_for_one_stretch_of_memory_are_counted_once(loads):
    tied = Network([30])
    tied.storages.append(tied.storages[0])
    kept = KeptParts(100)
    kept.part("tied", 30, lambda: tied)
    assert kept.loaded_bytes == 30


def test_after_memory_ran_out_each_part_has_the_device_to_itself(loads):
    kept = KeptParts(100)
    kept.part(*loads.of("text", 10))
    kept.alone = True
    kept.part(*loads.of("expert", 10))
    assert kept.keys == ("expert",)


def test_the_same_bytes_are_the_same_part_wherever_they_lie(tmp_path: Path):
    files = []
    for folder in ("one", "other", "third"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "model.safetensors")
        files[-1].write_bytes(folder.encode())
    kept = KeptParts(hashes=lambda: {files[0]: "a" * 64, files[1]: "a" * 64, files[2]: "b" * 64})
    assert kept.key(files[:1]) == kept.key(files[1:2]) != kept.key(files[2:])


def test_files_that_nobody_hashed_are_known_by_where_they_lie(tmp_path: Path):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    for path in (one, other):
        path.write_bytes(b"same")
    kept = KeptParts()
    assert kept.key([one]) == kept.key([one]) != kept.key([other])


def test_without_a_setting_the_budget_is_what_the_machine_has(loads):
    kept = KeptParts()
    assert 0 < kept.budget_bytes() <= 1.5 * host_bytes()
    assert device_bytes() > 0


class Gpu:
    """What torch says of a device of 100 bytes, and of the host beside it; `Moved` are on one or the other."""

    def __init__(self, host_bytes: int) -> None:
        self.taken: dict[int, int] = {}
        self.free_in_host = host_bytes
        self.cuda = self.accelerator = self

    def is_available(self) -> bool:
        return True

    def mem_get_info(self) -> tuple[int, int]:
        return 100 - sum(self.taken.values()), 100

    def memory_reserved(self) -> int:
        return sum(self.taken.values())

    def empty_cache(self) -> None: ...

    def empty_host_cache(self) -> None: ...


class Moved(Network):
    def __init__(self, gpu: Gpu, size_bytes: int) -> None:
        super().__init__([size_bytes])
        self.gpu = gpu
        weakref.finalize(self, gpu.taken.pop, id(self), None)
        self.to("cuda")

    def to(self, device: str) -> None:
        size_bytes = self.sizes[0]
        self.gpu.taken[id(self)] = size_bytes if device == "cuda" else 0
        assert self.gpu.mem_get_info()[0] >= 0, "more than the device has"


@pytest.mark.parametrize(("host_bytes", "loaded"), [(8 << 30, ["text", "expert"]), (0, ["text", "expert", "text"])])
def test_on_a_gpu_what_gives_way_waits_in_the_hosts_memory_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, host_bytes: int, loaded: list[str]
) -> None:
    gpu = Gpu(host_bytes)
    monkeypatch.setitem(sys.modules, "torch", gpu)
    monkeypatch.setattr(residency, "host_bytes", lambda: gpu.free_in_host)
    kept, seen = KeptParts(), []

    def part(name: str, size_bytes: int) -> Moved:
        def load() -> Moved:
            seen.append(name)
            return Moved(gpu, size_bytes)

        return kept.part(name, size_bytes, load)

    assert kept.budget_bytes() == 100
    part("text", 60)
    kept.leave(10)
    part("expert", 70)
    assert kept.keys == ("expert",)
    assert sorted(gpu.taken.values()) == ([0, 70] if host_bytes else [70])
    part("text", 60)
    assert kept.keys == ("text",)
    assert sorted(gpu.taken.values()) == ([0, 60] if host_bytes else [60])
    assert seen == loaded
