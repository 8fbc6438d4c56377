"""The same film gives the same frames in between, in any process, at every native size a model may have."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SMALL = [(w, h) for w in (16, 17, 24, 31, 32, 33, 48, 63, 64, 65) for h in (16, 17, 18, 24, 31, 32, 33, 64)]
OF_MODELS = [(288, 160), (160, 288), (224, 224), (256, 192), (192, 256), (144, 80)]

RETIME = textwrap.dedent(
    """
    import ast, hashlib, os, sys
    if "one-core" in sys.argv:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import av
    import numpy as np
    if "no-simd" in sys.argv:
        import ctypes
        (library,) = {line.split()[-1] for line in open("/proc/self/maps") if "libavutil" in line}
        ctypes.CDLL(library).av_force_cpu_flags(0)
    from media_cases import grainy_film
    from rushes.media.retime import retime
    rubbish = np.random.default_rng(os.getpid())
    for width, height in ast.literal_eval(sys.argv[1]):
        film = grainy_film(5, width, height)
        film[3:] = 255 - film[3:]  # a cut: what is found of it decides whole frames
        # What was freed lies behind the rows of the frames that come next, and differs from run to run.
        dirt = [rubbish.integers(0, 256, num_bytes, dtype=np.uint8) for num_bytes in (300, 1000, 3000, 9000) * 4]
        del dirt
        shown = b"".join(frame.tobytes() for frame in retime(iter(film), 12, 5, 25, 10))
        print(f"{width}x{height}", hashlib.sha256(shown).hexdigest())
    """
)


def made(sizes: list[tuple[int, int]], *switches: str) -> list[str]:
    """One line per size, from a process of its own."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", RETIME, repr(sizes), *switches],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parents[2] / "src"), str(here)])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(sizes)
    return lines


@pytest.fixture(scope="module")
def usual() -> list[str]:
    return made(SMALL)


@pytest.mark.parametrize("repeat", [1, 2])
def test_a_small_film_is_the_same_in_every_process(usual: list[str], repeat: int) -> None:
    assert made(SMALL) == usual


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="finds FFmpeg's library by /proc")
def test_a_small_film_is_the_same_on_a_cpu_without_simd(usual: list[str]) -> None:
    assert made(SMALL, "no-simd") == usual


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be taken away on Linux only")
def test_a_film_at_a_models_size_is_the_same_on_one_core_and_on_all() -> None:
    assert made(OF_MODELS, "one-core") == made(OF_MODELS)
