"""One network of `weights/`, run by ONNX Runtime on the CPU. The only place that touches its untyped API."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from rushes.errors import Incomplete

ERRORS_ONLY = 3


class Graph:
    """A loaded network. The same inputs give the same bytes, whatever the number of threads."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Load `path`; `threads` 0 means every core this process may use.

        Errors  Incomplete when the file is missing or ONNX Runtime refuses it.
        """
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = ERRORS_ONLY
        # Threads wait awake for 10 µs and only while the network runs. Measured on two cores with 10 layers of 384
        # in int8 and 270 tokens: 19 ms a pass, against 25 ms if they sleep at once and 18 ms at the runtime's default,
        # which takes 54 ms as soon as another program wants a core, and burns half a core between steps.
        options.add_session_config_entry("session.intra_op.spin_duration_us", "10")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if not path.is_file():
            raise Incomplete(f"this installation lacks the weights of rushes/mini: {path.name} was not found")
        try:
            session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as refused:  # the runtime's own classes share no public base
            raise Incomplete(f"the weights of rushes/mini are damaged: {path.name} cannot be loaded") from refused
        self._session = session
        self._output: str = session.get_outputs()[0].name

    def run(self, **inputs: NDArray[Any]) -> NDArray[Any]:
        """The network's first output for `inputs`, given by name."""
        (output,) = self._session.run([self._output], inputs)
        return np.asarray(output)


def runtime() -> str:
    """The library that runs a network and the kind of machine: another of either may round otherwise."""
    return f"onnxruntime {onnxruntime.__version__} cpu {platform.machine()}"


def usable_cores() -> int:
    """Cores this process may run on, which in a container or under taskset is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
