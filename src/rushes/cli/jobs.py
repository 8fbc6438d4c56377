"""`rushes jobs`: the newest jobs of a data folder, read from its database; no server need run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.exits import explained

if TYPE_CHECKING:
    from rushes.contract.job import Job

PROMPT_CHARS = 40


def jobs(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder of the server.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose jobs; the first key's owner unless given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """List the newest jobs: state, stage, model, age, prompt."""
    with explained(as_json):
        from rushes.api.auth import LOCAL_OWNER
        from rushes.assemble import build_store, build_videos
        from rushes.settings import Settings

        settings = Settings.load({"data": data})
        store = build_store(settings)
        try:
            found = build_videos(settings, store).list(owner or LOCAL_OWNER, limit=limit)
        finally:
            store.close()
        if as_json:
            print(json.dumps({"jobs": [row(job) for job in found]}, ensure_ascii=False))
            return

        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("id", "state", "", "model", "age", "prompt", box=None)
        now = time.time()
        for job in found:
            at = f"{job.stage} {job.progress:.0%}" if job.state == "running" else (job.error.code if job.error else "")
            prompt = job.request.prompt.replace("\n", " ")
            shown = prompt if len(prompt) <= PROMPT_CHARS else f"{prompt[: PROMPT_CHARS - 1]}…"
            table.add_row(job.id, job.state, at, job.request.model, age(now - job.created_at), Text(shown))
        Console(soft_wrap=True).print(table)


def row(job: Job) -> dict[str, Any]:
    request = job.request
    return {
        "id": job.id,
        "state": str(job.state),
        "stage": job.stage,
        "step": job.step,
        "steps": job.steps,
        "progress": job.progress,
        "model": request.model,
        "made_by": request.made_by,
        "prompt": request.prompt,
        "size": f"{request.width}x{request.height}",
        "seconds": request.seconds,
        "seed": request.seed,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "attempt": job.attempt,
        "error": None if job.error is None else {"code": job.error.code, "message": job.error.message},
    }


def age(elapsed_s: float) -> str:
    """90 → "1 min"."""
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if elapsed_s >= unit_s:
            return f"{elapsed_s / unit_s:.0f} {unit}"
    return f"{max(0.0, elapsed_s):.0f} s"
