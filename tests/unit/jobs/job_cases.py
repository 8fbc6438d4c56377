"""What the job tests are made of: a settled request, a finished artifact, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rushes.contract.artifact import Artifact, Native
from rushes.contract.request import ResolvedRequest

MODEL = "test/model"


def asked(**changes: Any) -> ResolvedRequest:
    values: dict[str, Any] = {
        "model": MODEL,
        "made_by": MODEL,
        "revision": "1",
        "prompt": "a red ball bounces",
        "negative_prompt": "",
        "width": 64,
        "height": 64,
        "seconds": 1.0,
        "fps": 15,
        "num_frames": 15,
        "steps": 10,
        "guidance_scale": 4.0,
        "seed": 7,
        "output_format": "MP4",
        "output_quality": 20,
        "generate_audio": False,
    }
    return ResolvedRequest(**{**values, **changes})


def made(key: str = "clip.mp4") -> Artifact:
    return Artifact(key, "video/mp4", 1234, "ab" * 32, 64, 64, 15, 15, False, Native(32, 32, 8.0, 8))


def eventually(holds: Callable[[], Any], within_s: float = 120.0) -> Any:
    """Wait until `holds` gives something true, and return it."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {within_s} s")
