"""The ten sample prompts: a contact sheet, and a table of what was asked and what the files really hold.

python -m benchmarks.samples [--only sheet|table] [--seed 7] [--films FOLDER] [--write]
python -m benchmarks.samples --seconds 2 --steps 10     a quicker sheet
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._making import PROMPTS, SEED, digests, loaded_engine, make, settled, shown
from benchmarks._record import Record, add_switches, table
from benchmarks._sheet import Row, save, sheet

from rushes.contract.request import ResolvedRequest
from rushes.engine.engine import Engine
from rushes.media.probe import VideoFacts, probe

COLUMNS, CELL_WIDTH = 6, 200
SHEET_SIZE = {"width": 640, "height": 360}
"""Of the model's own 16:9 grid, like the default 1366×768: the same clip, sooner written."""

ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"resolution": "1080P", "ratio": "16:9", "seconds": 2},
    {"resolution": "720P", "ratio": "9:16", "seconds": 3},
    {"width": 960, "height": 540, "seconds": 2, "output_format": "WEBM"},
    {"resolution": "720P", "ratio": "4:3", "seconds": 2, "fps": 30},
    {"resolution": "720P", "ratio": "1:1", "seconds": 1.5, "fps": 15, "steps": 30},
    {"seconds": 2, "output_quality": 35, "guidance_scale": 7},
    {"width": 480, "height": 640, "seconds": 1, "fps": 60, "output_format": "WEBM", "output_quality": 30},
    {"width": 640, "height": 360, "seconds": 1, "steps": 10},
    {"width": 854, "height": 480, "seconds": 10, "negative_prompt": "rain"},
)
"""What is asked for beside the prompt, one for each sample prompt: every number and format of the contract once."""

CODECS = {"MP4": "h264", "WEBM": "vp9"}
BT709_LIMITED = (1, 1, 1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("sheet", "table"))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--seconds", type=float, help="of the sheet's clips; the card's default unless given")
    parser.add_argument("--steps", type=int, help="of the sheet's clips; the card's default unless given")
    parser.add_argument("--films", type=Path, help="a folder to keep the clips in")
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("samples", asked, ("sheet",))
    engine = loaded_engine(record.weights)
    text = ""
    with tempfile.TemporaryDirectory() as folder:
        films: Path = asked.films or Path(folder)
        films.mkdir(parents=True, exist_ok=True)
        if asked.only != "table":
            clips = [
                settled(prompt=prompt, seed=asked.seed, seconds=asked.seconds, steps=asked.steps, **SHEET_SIZE)
                for prompt in PROMPTS
            ]
            path = record.picture("contact-sheet.png")
            size_bytes = contact_sheet(clips, engine, films, path)
            text = f"\n{path.name}: {size_bytes / 1000:.0f} kB, each clip {described(clips[0])}, none left out.\n"
        if asked.only == "sheet":
            print(text)
            return
        requests = [
            settled(prompt=prompt, seed=asked.seed, **fields) for prompt, fields in zip(PROMPTS, ASKED, strict=True)
        ]
        record.keep(measured(requests, engine, films, record.weights) + text)


def contact_sheet(clips: list[ResolvedRequest], engine: Engine, films: Path, path: Path) -> int:
    """One row of frames over time for each clip; its size in bytes. Every clip is shown as it came out."""
    rows = []
    for number, clip in enumerate(clips, start=1):
        film = make(clip, engine, films / f"sheet-{number:02}.mp4").path
        rows.append(Row(clip.prompt, shown(film, COLUMNS)))
    return save(sheet(rows, CELL_WIDTH), path)


def described(clip: ResolvedRequest) -> str:
    return f"{clip.seconds:g} s, {clip.steps} steps, guidance {clip.guidance_scale:g}, seed {clip.seed}"


def measured(requests: list[ResolvedRequest], engine: Engine, films: Path, weights: Path | None) -> str:
    """The table: what was asked, what the file holds, and whether its bytes come out again.

    Errors  SystemExit where a file is not what was asked for.
    """
    made, facts = [], []
    for number, request in enumerate(requests, start=1):
        made.append(make(request, engine, films / f"table-{number:02}.{request.output_format.lower()}"))
        facts.append(probe(made[-1].path))
        check(request, facts[-1])
    first = [one.artifact.sha256 for one in made]
    again = same(first, digests(requests, weights))
    alone = (
        same(first, digests(requests, weights, one_core=True))
        if hasattr(os, "sched_getaffinity")
        else ["–"] * len(made)
    )
    rows = [
        (
            number,
            written(ASKED[number - 1]),
            fact.num_frames,
            f"{fact.width}×{fact.height}",
            f"{float(fact.fps):g}",
            f"{fact.duration_s:.3f} s",
            f"{fact.codec}, {fact.pix_fmt}",
            colours(fact),
            f"{one.artifact.size_bytes / 1e6:.2f} MB",
            f"{one.elapsed_s:.1f} s",
            f"`{one.artifact.sha256[:12]}`",
            again[number - 1],
            alone[number - 1],
        )
        for number, (one, fact) in enumerate(zip(made, facts, strict=True), start=1)
    ]
    head = (
        "#", "asked, beside prompt and seed", "frames", "size", "fps", "duration", "codec", "colour", "file", "made in",
        "SHA-256", "same again", "same on one core",
    )  # fmt: skip
    return (
        "## The sample prompts: asked and measured\n\n"
        f"Line # of `examples/prompts.txt`, seed {requests[0].seed}; what is not named is the card's default.\n"
        "Frames are counted by decoding the file. *Same again* is a fresh process, *on one core* one bound to one.\n\n"
        + table(head, rows)
    )


def check(request: ResolvedRequest, fact: VideoFacts) -> None:
    found = (fact.num_frames, fact.width, fact.height, float(fact.fps), fact.codec, fact.pix_fmt, colours(fact))
    wanted = (request.num_frames, request.width, request.height, float(request.fps))
    wanted_all = (*wanted, CODECS[request.output_format], "yuv420p", "BT.709 limited")
    if found != wanted_all or abs(fact.duration_s - request.num_frames / request.fps) > 0.002:
        raise SystemExit(f"asked for {wanted_all}, the file holds {found} and lasts {fact.duration_s} s")


def colours(fact: VideoFacts) -> str:
    tags = (fact.colour.primaries, fact.colour.transfer, fact.colour.matrix, fact.colour.range)
    return "BT.709 limited" if tags == BT709_LIMITED else "-".join(map(str, tags))


def same(first: list[str], other: list[str]) -> list[str]:
    return ["yes" if one == two else "**no**" for one, two in zip(first, other, strict=True)]


def written(fields: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {value}" for name, value in fields.items()) or "nothing"


if __name__ == "__main__":
    main()
