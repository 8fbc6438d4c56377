"""strace on processes that run already: what they ask of the system, and that it is answered in the system's place."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from test_restart import eventually


def may_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            with traced([child.pid], Path("/dev/null"), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1+"):
                return True
        except AssertionError:
            return False
        finally:
            child.kill()


@contextmanager
def traced(pids: list[int], log: Path, *asked: str) -> Iterator[None]:
    """While this runs, strace is at these processes and at those that they start, with the switches `asked`."""
    argv = ["strace", "-f", "-qq", "-o", str(log), *asked, *(f"-p{pid}" for pid in pids)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as tracer:

        def attached() -> bool:
            if tracer.poll() is not None:
                raise AssertionError(tracer.communicate()[1])
            told = f"TracerPid:\t{tracer.pid}\n"
            return all(told in status for pid in pids for status in statuses(pid))

        try:
            eventually(attached)
            yield
        finally:
            tracer.terminate()  # it lets go of them first


def statuses(pid: int) -> list[str]:
    """What is told of each thread of a process; of those that end meanwhile, nothing."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found.append((task / "status").read_text())
    return found
