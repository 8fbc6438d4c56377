"""Parts stay loaded while there is room, give way by least recent use, and are shared by what their files hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
