"""Same frames, same settings: same bytes, whatever the machine has to offer."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MAKE = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    if "one-core" in sys.argv:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import numpy as np
    import av
    if "no-simd" in sys.argv:
        import ctypes
        (library,) = {line.split()[-1] for line in open("/proc/self/maps") if "libavutil" in line}
        ctypes.CDLL(library).av_force_cpu_flags(0)
    import media_cases
    from rushes.contract.artifact import Native
    from rushes.media.fit import fit
    film = media_cases.grainy_film(9, 96, 64)
    t = np.arange(36000) / 48000
    sound = np.stack([np.sin(2000 * t), np.sin(3000 * t)], axis=1).astype(np.float32)
    for output_format in ("MP4", "WEBM"):
        fitted = fit(iter([film]), Native(96, 64, 12, 9), 462, 306, 24, 18)
        made = media_cases.write(fitted, Path(sys.argv[1]), width=462, height=306, num_frames=18,
                                 output_format=output_format, audio=sound if "sound" in sys.argv else None)
        print(made.sha256)
    """
)


def hashes(path: Path, *switches: str, **environment: str) -> list[str]:
    source = Path(__file__).parents[3] / "src"
    paths = os.pathsep.join([str(source), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(path), *switches],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return hashes(tmp_path_factory.mktemp("usual") / "film", "sound")


def test_another_run_gives_the_same_bytes(tmp_path: Path, usual: list[str]) -> None:
    assert hashes(tmp_path / "another", "sound") == usual


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be taken away on Linux only")
def test_one_core_and_one_thread_give_the_same_bytes(tmp_path: Path, usual: list[str]) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    assert hashes(tmp_path / "film", "sound", "one-core", **threads) == usual


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="finds FFmpeg's library by /proc")
def test_a_cpu_without_simd_gives_the_same_picture(tmp_path: Path) -> None:
    assert hashes(tmp_path / "film", "no-simd") == hashes(tmp_path / "film")
