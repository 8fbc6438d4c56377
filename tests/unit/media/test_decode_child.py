"""The child that opens a foreign file can do nothing else, is thrown away in time, and takes nobody along."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from foreign_cases import corners, film, image, tone, wav

from rushes.errors import (
    ImageUndecodable,
    MediaRefused,
    MediaTooComplex,
    MediaTooLarge,
    Unavailable,
    UnsupportedMediaType,
    VideoUndecodable,
)
from rushes.media import decode, walls
from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.limits import AT_ONCE, AudioLimits, Cost, ImageLimits, VideoLimits
from rushes.media.sniff import Kind

LINUX = sys.platform == "linux"
needs_proc = pytest.mark.skipif(not LINUX, reason="processes are looked up in /proc")

GOOD = image(corners(), "PNG")
PATIENT = ImageLimits(max_scans=10**9)

TRY_LANDLOCK = """
import socket
from rushes.media import walls
walls.landlock()
for attempt in (lambda: open("/etc/passwd"), lambda: socket.create_connection(("127.0.0.1", 9))):
    try:
        attempt()
    except OSError as error:
        print(error.errno)
"""

WORKER = """
import sys
from pathlib import Path
from rushes.media import decode
from rushes.media.limits import ImageLimits
decode.walls()
print(decode._decoder._zygote.pid, flush=True)
decode.decode_image(Path(sys.argv[1]).read_bytes(), ImageLimits(max_scans=10**9))
"""


def slow_jpeg() -> bytes:
    """A progressive JPEG that takes a processor a minute: its last scan is there a hundred thousand times more."""
    whole = image(corners(640, 640), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * 120_000 + whole[-2:]


@pytest.fixture(scope="module")
def slow() -> bytes:
    return slow_jpeg()


@pytest.fixture
def fresh() -> Iterator[None]:
    """A warm process of the test's own."""
    decode.close()
    yield
    decode.close()


def told(data: bytes, cost: Cost) -> dict[str, Any]:
    order = {"what": "image", "kind": Kind.JPEG.value, "limits": asdict(PATIENT)}
    return decode._decoder.told(order, data, PATIENT.max_pixels * 3, cost)[0]


def zygote() -> int:
    process = decode._decoder._zygote
    assert process is not None
    return process.pid


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except FileNotFoundError:
        return []


def running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Any, patience_s: float = 120.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def test_every_wall_of_this_system_stands_and_has_no_hole() -> None:
    found = decode.walls()
    assert found.holes == ()
    wanted = (
        {"user", "memory", "processor", "writing", "core", "processes", "descriptors"} if LINUX else {"descriptors"}
    )
    assert wanted <= {name for name, stands in found.standing.items() if stands}


@pytest.mark.skipif(walls.landlock_version() == 0, reason="this kernel has no Landlock")
def test_landlock_alone_refuses_files_and_connections() -> None:
    done = subprocess.run([sys.executable, "-c", TRY_LANDLOCK], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "13"
    assert done.stdout.split()[1] in ("13", "111")  # TCP is walled off from Landlock's version 4 on


def test_a_file_that_takes_too_much_processor_time_is_given_up(slow: bytes) -> None:
    answer = told(slow, Cost(processor_s=1, wall_s=60))
    assert answer["refused"] == "complex"
    assert answer["raised"] == f"exit {-signal.SIGXCPU}"
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)


def test_a_file_that_takes_too_long_is_given_up(slow: bytes) -> None:
    answer = told(slow, Cost(wall_s=0.2))
    assert answer["refused"] == "complex"
    assert answer["raised"] == f"exit {-signal.SIGKILL}"
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)


def test_a_file_that_takes_too_much_memory_is_given_up() -> None:
    large = image(corners(3000, 3000), "JPEG", quality=30)
    assert told(large, Cost(memory_bytes=1 << 20))["refused"] in ("complex", "undecodable")
    assert "arrays" in told(large, Cost())


@needs_proc
def test_a_warm_process_that_is_stuck_is_replaced(fresh: None, slow: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    decode.walls()
    stuck = zygote()
    monkeypatch.setattr(decode, "OVERDUE_S", 0.2)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(told, slow, Cost(wall_s=3))
        until(lambda: children(stuck))
        os.kill(stuck, signal.SIGSTOP)
        with pytest.raises(MediaTooComplex):
            asked.result()
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)
    assert not running(stuck)


@needs_proc
def test_a_warm_process_that_was_killed_is_replaced_and_its_child_is_gone(fresh: None, slow: bytes) -> None:
    decode.walls()
    killed = zygote()
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(told, slow, Cost())
        until(lambda: children(killed))
        (child,) = children(killed)
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended from outside"):  # no word against the file
            asked.result()
    until(lambda: not running(child))
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)
    assert zygote() != killed


@needs_proc
def test_a_file_is_opened_to_its_end_when_every_process_is_told_to_stop(fresh: None, slow: bytes) -> None:
    decode.walls()
    warm = zygote()
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(told, slow, Cost(wall_s=3))
        until(lambda: children(warm))
        for process in (warm, *children(warm)):
            os.kill(process, signal.SIGTERM)
        assert asked.result()["refused"] == "complex"  # it had its time, all of it
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)
    assert zygote() == warm


@needs_proc
def test_nothing_outlives_a_worker_that_is_killed(slow: bytes, tmp_path: Path) -> None:
    file = tmp_path / "slow.jpg"
    file.write_bytes(slow)
    with subprocess.Popen([sys.executable, "-c", WORKER, str(file)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        warm = int(worker.stdout.readline())
        until(lambda: children(warm))
        (child,) = children(warm)
        worker.kill()
    until(lambda: not running(child) and not running(warm))


@needs_proc
def test_no_more_than_a_few_children_run_at_once(fresh: None, slow: bytes) -> None:
    decode.walls()
    most = 0
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(told, slow, Cost(wall_s=0.4)) for _ in range(6)]
        while not all(one.done() for one in asked):
            most = max(most, len(children(zygote())))
            time.sleep(0.005)
    assert most == AT_ONCE
    until(lambda: not children(zygote()))


@needs_proc
def test_the_decoder_is_told_no_secret_of_the_environment(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_API_KEY", "canary-key")
    decode.walls()
    assert b"canary-key" not in Path(f"/proc/{zygote()}/environ").read_bytes()


def test_many_threads_may_ask_at_once() -> None:
    files = [GOOD, film([corners()] * 2), wav(tone(3, 8000), 8000)] * 5
    openers = [decode_image, decode_video, decode_audio] * 5
    with ThreadPoolExecutor(8) as threads:
        found = [one.result() for one in [threads.submit(*pair) for pair in zip(openers, files, strict=True)]]
    assert [type(one).__name__ for one in found] == ["Picture", "Clip", "Sound"] * 5


def test_threads_that_end_do_not_take_the_warm_process_along(fresh: None) -> None:
    thread = threading.Thread(target=decode.walls)
    thread.start()
    thread.join()
    first = decode._decoder._zygote
    assert decode_image(GOOD).rgb_HWC.shape == (32, 48, 3)
    assert decode._decoder._zygote is first


def test_a_decoder_that_cannot_start_is_unavailable(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable):
        decode_image(GOOD)


def test_a_result_can_be_kept_and_changed() -> None:
    first = decode_image(GOOD).rgb_HWC
    before = first.copy()
    first[:] = 7
    assert (decode_image(GOOD).rgb_HWC == before).all()


@pytest.mark.parametrize(
    ("what", "data", "limits", "refused"),
    [
        (decode_image, GOOD, ImageLimits(max_bytes=10), MediaTooLarge),
        (decode_image, film([corners()]), None, UnsupportedMediaType),
        (decode_video, GOOD, None, UnsupportedMediaType),
        (decode_audio, GOOD, None, UnsupportedMediaType),
        (decode_image, b"", None, UnsupportedMediaType),
        (decode_video, film([corners()] * 3), VideoLimits(max_result_bytes=5000), MediaTooComplex),
        (decode_audio, wav(tone(3)), AudioLimits(min_seconds=4), MediaRefused),
    ],
)
def test_limits_are_the_callers(what: Any, data: bytes, limits: Any, refused: type[MediaRefused]) -> None:
    with pytest.raises(refused) as found:
        what(data) if limits is None else what(data, limits)
    assert found.value.field is None
    assert found.value.at("media.frame_images[1]").field == "media.frame_images[1]"
    assert "media.frame_images[1]" in str(found.value.at("media.frame_images[1]"))


@pytest.mark.parametrize(
    "lie",
    [
        {"arrays": []},
        {"arrays": [["|u1", [1, 1, 3], -3]]},
        {"arrays": [["|u1", [1, 1, 3], 4096]]},
        {"arrays": [["|u1", [2**40, 2**40, 3], 0]]},
        {"arrays": [["|u1", [0, 1, 3], 0]]},
        {"arrays": [["|u1", [1, 1, 4], 0]]},
        {"arrays": [["|O", [1, 1, 3], 0]]},
        {"arrays": [["|u1", "113", 0]]},
        {"arrays": 5},
    ],
)
def test_a_child_that_lies_about_its_result_is_not_believed(lie: dict[str, Any]) -> None:
    answer = decode._Answer(lie, mmap.mmap(-1, 4096), ImageLimits())
    with pytest.raises(ImageUndecodable):
        answer.array(0, "|u1", (None, None, 3))


END = b'\n{"code": 0, "out_of_time": false}'


@pytest.mark.parametrize("said", [b"", b"not json", b"[1]", b"\xff\xfe", b"[" * 9000], ids=lambda said: said[:9])
def test_a_child_that_says_nothing_sensible_has_refused_the_file(said: bytes) -> None:
    assert decode._understood(said + END)["refused"] == "undecodable"


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"not json", b'\n{"code": 0}', b"\xff\xfe\n{}", b"\n[]", b"\n" + b"[" * 9000],
    ids=lambda text: text[:9],
)
def test_where_nobody_tells_of_the_childs_end_nothing_is_said_against_the_file(text: bytes) -> None:
    with pytest.raises(Unavailable):
        decode._understood(text)


def test_a_word_that_no_child_knows_becomes_damage() -> None:
    from rushes.media.refusal import error

    assert isinstance(error("<script>", [1.0], VideoLimits()), VideoUndecodable)
    assert "script" not in json.dumps(str(error("<script>", [1.0], VideoLimits())))
