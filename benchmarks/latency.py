"""How long a person waits: the default request and a preview, end to end in a fresh process, and what a step costs.

python -m benchmarks.latency [--repeat 3] [--only wait|steps] [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks._making import PROMPTS, SEED, loaded_engine, make, settled
from benchmarks._record import ROOT, Record, add_switches, table

PROMPT = PROMPTS[0]
REQUESTS = {
    "default (only a prompt)": (),
    "preview (`steps` 10, `seconds` 1)": ("--steps", "10", "--seconds", "1"),
}
STAGES = {
    "start": "Python, imports, the request read and settled",
    "load": "both networks into memory",
    "words": "the prompt into what the model reads",
    "denoise": "all steps",
    "decode": "latents into native frames",
    "fit": "to the asked rate and size",
    "encode": "colours, H.264, the file on disk",
    "end": "stored, told, process gone",
}
STEPS = (10, 20, 40)


@dataclass(frozen=True, slots=True)
class Wait:
    """One run of the command. `stages_s` is empty where it ran without a stopwatch, `cpu_s` sums over all cores."""

    total_s: float
    stages_s: dict[str, float]
    cpu_s: float
    peak_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("wait", "steps"))
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("latency", asked)
    text = "## Latency\n\n"
    if asked.only != "steps":
        text += waits(asked.repeat, record.weights)
    if asked.only != "wait":
        text += step_cost(asked.repeat, record.weights)
    record.keep(text)


def waits(repeat: int, weights: Path | None) -> str:
    """The command as it is, `repeat` times, and as often again with a stopwatch for the stages."""
    totals, columns, heads = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in REQUESTS.items():
            plain = [wait(flags, Path(folder), weights, stages=False) for _ in range(repeat)]
            split = [wait(flags, Path(folder), weights, stages=True) for _ in range(repeat)]
            seconds = [run.total_s for run in plain]
            totals.append(
                (
                    name,
                    f"**{statistics.median(seconds):.2f} s**",
                    f"{min(seconds):.2f} s",
                    f"{statistics.median(run.cpu_s for run in plain):.2f} s",
                    repeat,
                    f"{max(run.peak_bytes for run in plain) / 1e6:.0f} MB",
                )
            )
            heads.append(name)
            columns.append({stage: statistics.median(run.stages_s[stage] for run in split) for stage in STAGES})
    rows = [
        (stage, *(f"{column[stage]:.2f} s ({column[stage] / sum(column.values()):.0%})" for column in columns), what)
        for stage, what in STAGES.items()
    ]
    return (
        "`rushes generate PROMPT --json` from the start of the process to its end, nothing warm but the disk.\n\n"
        + table(("request", "median", "fastest", "processor time", "runs", "most memory"), totals)
        + "\nWhere the time goes (median of each stage; decoding, fitting and encoding take turns, frame by frame):\n\n"
        + table(("stage", *heads, "what it is"), rows)
    )


def wait(flags: Sequence[str], folder: Path, weights: Path | None, *, stages: bool) -> Wait:
    """Run the command in a fresh process. Raises CalledProcessError where it fails."""
    clock = folder / "clock.json"
    environment = dict(os.environ)
    if stages:
        environment["CLOCK"] = str(clock)
    if weights is not None:
        environment["WEIGHTS"] = str(weights.absolute())
    module = "benchmarks._clocked" if stages or weights is not None else "rushes"
    film = folder / "clip.mp4"
    words = [sys.executable, "-m", module, "generate", PROMPT, "--json", "--seed", str(SEED), "-o", str(film), *flags]
    began = time.monotonic()
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    unit = 1 if sys.platform == "darwin" else 1024
    return Wait(
        ended - began,
        split(clock, began, ended) if stages else {},
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * unit,
    )


def split(clock: Path, began: float, ended: float) -> dict[str, float]:
    """Seconds by stage, from what the stopwatch wrote; together the whole wait."""
    times = json.loads(clock.read_text("utf-8"))
    at, inside = times["at"], times["inside"]
    return {
        "start": at["performing"] - began,
        "load": at["encoding"] - at["performing"],
        "words": at["denoising"] - at["encoding"],
        "denoise": at["denoised"] - at["denoising"],
        "decode": inside["decode"],
        "fit": inside["fit"] - inside["decode"],
        "encode": at["written"] - at["denoised"] - inside["fit"],
        "end": ended - at["written"],
    }


def step_cost(repeat: int, weights: Path | None) -> str:
    """Seconds against steps for the default request, model loaded, with a straight line through all runs."""
    engine = loaded_engine(weights)
    whole: list[tuple[int, float]] = []
    alone: list[tuple[int, float]] = []
    alone_cpu: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        make(settled(prompt=PROMPT, steps=STEPS[0], seconds=1), engine, Path(folder) / "warm")
        for _ in range(repeat):  # rounds, so that a busy minute of the machine falls on all of them alike
            for steps in STEPS:
                made = make(settled(prompt=PROMPT, steps=steps), engine, Path(folder) / "clip")
                whole.append((steps, made.elapsed_s))
                alone.append((steps, made.denoising_s))
                alone_cpu.append((steps, made.denoising_cpu_s))
    kinds = {"request to file": whole, "denoising alone": alone, "denoising, processor time": alone_cpu}
    rows = [
        (what, *(f"{statistics.median(s for n, s in runs if n == steps):.2f} s" for steps in STEPS), *line(runs))
        for what, runs in kinds.items()
    ]
    return (
        f"\n### What `steps` cost\n\nThe default request with the model loaded, median of {repeat}; a straight line\n"
        "through all runs.\n\n"
        + table(("", *(f"{steps} steps" for steps in STEPS), "each step", "without steps", "R²"), rows)
    )


def line(runs: Sequence[tuple[int, float]]) -> tuple[str, str, str]:
    """Slope, intercept and R² of the least-squares line through (steps, seconds)."""
    steps, seconds = np.array(runs, dtype=float).T
    slope, intercept = np.polyfit(steps, seconds, 1)
    left = seconds - (slope * steps + intercept)
    r_squared = 1 - float(left @ left) / float(((seconds - seconds.mean()) ** 2).sum())
    return f"{slope:.4f} s", f"{intercept:.2f} s", f"{r_squared:.4f}"


if __name__ == "__main__":
    main()
