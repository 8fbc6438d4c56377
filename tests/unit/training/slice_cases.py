"""One slice of the recipe in miniature, as the command line runs it."""

from __future__ import annotations

from pathlib import Path


def slice_of(what: str, run: Path, parts: Path, *more: str) -> None:
    from training import slices  # needs torch

    slices.main([what, str(run), "--parts", str(parts), "--rehearse", "--device", "cpu", "--no-compile", *more])
