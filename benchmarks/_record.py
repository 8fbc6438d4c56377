"""Where and when a benchmark ran, and its section of RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rushes.errors import Unavailable
from rushes.models.mini.config import PACKAGED_WEIGHTS, MiniConfig
from rushes.models.mini.graph import usable_cores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PICTURES = ROOT / "docs" / "images"
TRIAL = ROOT / "build" / "benchmarks"
"""Pictures of a run that is not kept: git ignores the folder."""

BUSY = 1.0  # programs wanting a core; above it the wall clock measures them too

TELLING_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
"""What an int8 network is fast or slow by."""


def add_switches(parser: argparse.ArgumentParser, *, weights: bool = True) -> None:
    """The switches that every benchmark has."""
    parser.add_argument(
        "--write", action="store_true", help="keep the outcome: its section of RESULTS.md, its pictures in docs/images"
    )
    if weights:
        parser.add_argument(
            "--weights", type=Path, help="a folder with mini.json and both networks; the package's own unless given"
        )


class Record:
    """One run of one benchmark. Made before anything is measured, since it notes how busy the machine is."""

    def __init__(
        self, name: str, asked: argparse.Namespace, pictures: Sequence[str] = (), program: str | None = None
    ) -> None:
        """`pictures` are the values of `--only` that make a picture and no part of the section.

        `program` is the module that runs; `benchmarks.name` unless given.

        Errors  SystemExit where there are no weights, where `--write` would record others than the package's, and where
                it would leave a section with a part missing.
        """
        self.name, self.write, self._program = name, bool(asked.write), program or f"benchmarks.{name}"
        if self.write and getattr(asked, "only", None) not in (None, *pictures):
            raise SystemExit("--write keeps the whole section: leave --only out")
        self.weights: Path | None = getattr(asked, "weights", None)
        self._needs_weights = hasattr(asked, "weights")
        self._began = datetime.now(UTC)
        self._load = os.getloadavg()[0]
        if self._load > BUSY:
            print(
                f"{name}: this machine is busy (load {self._load:.1f}): trust the processor time only", file=sys.stderr
            )
        if self._needs_weights:
            if self.write and self.weights is not None:
                raise SystemExit("--write keeps figures of the package's own weights only: leave --weights out")
            try:
                self._revision = MiniConfig.load(self.weights or PACKAGED_WEIGHTS).revision
            except Unavailable as missing:
                raise SystemExit(f"{self.name}: {missing}") from missing

    def picture(self, name: str) -> Path:
        """Where a picture of this run goes."""
        folder = PICTURES if self.write else TRIAL
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def keep(self, text: str) -> None:
        """Print the section, and with `--write` put it into RESULTS.md in place of the one before."""
        section = f"{text.strip()}\n\n{self._provenance()}\n"
        print(section, flush=True)
        if self.write:
            RESULTS.write_text(replaced(RESULTS.read_text("utf-8"), self.name, section), "utf-8")

    def _provenance(self) -> str:
        facts = [
            f"`{self._command()}`",
            f"{self._began:%Y-%m-%d}",
            f"commit {commit()}",
            cpu(),
            f"{usable_cores()} cores, load {self._load:.1f} before the start",
            f"Python {platform.python_version()}, PyAV {version('av')}, ONNX Runtime {version('onnxruntime')}",
        ]
        if self._needs_weights:
            facts.append(f"weights {self._revision}")
        return "\n".join(f"<sub>{line}</sub><br>" for line in (" · ".join(facts[:3]), " · ".join(facts[3:])))

    def _command(self) -> str:
        # A folder of somebody's machine says nothing to others.
        given = ["FOLDER" if Path(word).is_dir() else word for word in sys.argv[1:] if word != "--write"]
        return " ".join(["python -m", self._program, *given])


def replaced(page: str, name: str, section: str) -> str:
    """`page` with the section `name` between its two marks exchanged; a section it lacks is put at its end."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    marked = f"{begin}\n{section}{end}"
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{marked}\n"
    return before + marked + rest.partition(end)[2]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers are expected to be text already, in the precision that they deserve."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def commit() -> str:
    """The commit that was measured, with a remark where the package differs from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def said(*words: str) -> str:
        return subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603

    changed = said("status", "--porcelain", "--", "src")
    return (said("rev-parse", "--short", "HEAD") or "unknown") + (" with changes in src" if changed else "")


def cpu() -> str:
    """The processor by name, and what of it matters to an int8 network."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    telling = ", ".join(flag for flag in TELLING_CPU_FLAGS if flag in known)
    return (name[1] if name else platform.machine()) + (f" ({telling})" if telling else "")
