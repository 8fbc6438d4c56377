"""`rushes jobs`: the newest jobs of a data folder, read from its database; no server need run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.exits import FAILED, explained, refuse_unheard
from rushes.cli.options import AsJson, Data
from rushes.errors import WrongSetup

if TYPE_CHECKING:
    from rushes.contract.job import Job
    from rushes.jobs.store import JobStore

PROMPT_CHARS = 40


jobs = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@jobs.callback()
def listed(
    context: typer.Context,
    data: Data = None,
    owner: Annotated[str | None, typer.Option(help="Whose jobs; the first key's owner unless given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs: state, stage, model, age, prompt. Or `watch` one."""
    if context.invoked_subcommand is not None:
        refuse_unheard(context, "data")
        context.obj = data
        return
    with explained(as_json), opened(data) as store:
        from rushes.api.auth import LOCAL_OWNER

        found = store.list(owner or LOCAL_OWNER, limit=limit)
        if as_json:
            print(json.dumps({"jobs": [row(job) for job in found]}, ensure_ascii=False))
            return

        from rich.table import Column, Table
        from rich.text import Text

        from rushes.cli.tables import show

        # However narrow the terminal, an id stays whole: it is what `watch` wants.
        ids = Column("id", no_wrap=True, min_width=max((len(job.id) for job in found), default=0))
        table = Table(ids, "state", "", "model", "age", "prompt", box=None)
        now = time.time()
        for job in found:
            prompt = " ".join(job.request.prompt.splitlines())
            shown = prompt if len(prompt) <= PROMPT_CHARS else f"{prompt[: PROMPT_CHARS - 1]}…"
            table.add_row(job.id, job.state, at(job), job.request.model, age(now - job.created_at), Text(shown))
        show(table)


@jobs.command()
def watch(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The id that the server answered.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show a job's progress until it has ended, then print the place of its file.

    Needs no server: it reads the data folder. Exit codes: 0 finished, 1 failed or cancelled, 2 no such job,
    130 stopped with Ctrl-C (the job goes on).
    """
    folder = data or context.obj
    with explained(as_json), opened(folder) as store:
        from rushes.assemble import build_storage
        from rushes.cli.watch import follow
        from rushes.settings import Settings

        job = follow(lambda: store.get(id), quiet=as_json)
        file: Path | None = None
        if job.artifact is not None:
            with suppress(FileNotFoundError):
                file = build_storage(Settings.load({"data": folder})).path(job.artifact.key)
        if as_json:
            print(json.dumps({**row(job), "file": None if file is None else str(file)}, ensure_ascii=False))
        elif file is not None:
            print(file)
        elif job.artifact is not None:
            print("rushes: it was made, and its file is no longer there", file=sys.stderr)
        elif job.error is not None:
            print(f"rushes: {job.error.code}: {job.error.message}", file=sys.stderr)
        else:
            print("rushes: the job was cancelled", file=sys.stderr)
        if file is None:
            raise typer.Exit(FAILED)


@contextmanager
def opened(data: Path | None, *, may_be_new: bool = False) -> Iterator[JobStore]:
    """The job database of the data folder.

    Errors  WrongSetup where there is none, which is a folder misspelt; with `may_be_new` it is made, and that is said.
    """
    from rushes.assemble import build_store
    from rushes.jobs.database import sqlite_file
    from rushes.settings import Settings

    settings = Settings.load({"data": data})
    file = sqlite_file(settings.jobs.database_url)
    if file is not None and not file.exists():
        in_folder = file == settings.storage.data / "jobs.db"  # and not where RUSHES_DATABASE_URL names another place
        if may_be_new:
            new = f"data folder: {file.parent}" if in_folder else f"job database: {file}"
            print(f"this makes a new {new}", file=sys.stderr)
        elif in_folder:
            raise WrongSetup(
                field="data",
                given=file.parent,
                allowed="the data folder of a server",
                hint="name it with --data or RUSHES_DATA; `rushes serve` makes it",
            )
        else:
            raise WrongSetup(field="RUSHES_DATABASE_URL", given=file, allowed="the job database of a server")
    store = build_store(settings)
    try:
        yield store
    finally:
        store.close()


def at(job: Job) -> str:
    """What there is to say beside the state."""
    if job.state == "running":
        return f"{job.stage} {job.progress:.0%}"
    if job.held:
        return "paused"
    return job.error.code if job.error else ""


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
