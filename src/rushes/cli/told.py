"""What `rushes generate` says before and after: what was filled in, what is advised, what came out."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from rushes.contract.artifact import Artifact
from rushes.contract.request import ResolvedRequest

STYLES = {"warning": "bold yellow", "advice": "cyan", "made": "dim"}


def tell_notes(resolved: ResolvedRequest) -> None:
    """Warnings and advice in full; the values that will be used, defaulted ones included, in one line."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    values = (
        f"{resolved.width}×{resolved.height}",
        f"{resolved.seconds:g} s at {resolved.fps} fps ({resolved.num_frames} frames)",
        f"{resolved.steps} steps",
        f"guidance {resolved.guidance_scale:g}",
        f"seed {resolved.seed}",
        f"{resolved.output_format} quality {resolved.output_quality}",
    )
    console.print(Text(f"{resolved.made_by}: {', '.join(values)}", style="bold"))
    defaulted = [note.field for note in resolved.notes if note.kind == "default"]
    if defaulted:
        console.print(Text(f"not asked for, so the model's own: {', '.join(defaulted)}", style="dim"))
    for note in resolved.notes:
        if note.kind != "default":
            suggestion = f" → {note.suggestion}" if note.suggestion else ""
            console.print(
                Text(f"{note.kind}: {note.field}: {note.message}{suggestion}", style=STYLES.get(note.kind, ""))
            )


def tell_facts(path: Path, resolved: ResolvedRequest, artifact: Artifact, elapsed_s: float) -> None:
    """The finished file in a few lines; its path alone on stdout, so that a script can take it."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(
        f"{artifact.num_frames} frames, {artifact.width}×{artifact.height}, {artifact.fps} fps, "
        f"{artifact.num_frames / artifact.fps:g} s, {size(artifact.size_bytes)}, made in {elapsed_s:.1f} s"
    )
    for note in artifact.changes():
        console.print(note.message, style="dim")
    console.print(f"the same again: --seed {resolved.seed}", style="dim")
    print(path)


def size(num_bytes: int) -> str:
    """1234567 → "1.2 MB"."""
    value, unit = float(num_bytes), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
