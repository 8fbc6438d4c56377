"""How a command ends: four exit codes, and one place that turns errors into them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from rushes.errors import RushesError, WrongSetup

OK = 0
FAILED = 1  # the request was fine, making it was not
BAD_REQUEST = 2  # the request or the command line cannot be honoured as written
INTERRUPTED = 130  # Ctrl-C or a polite kill; nothing half-made is left behind

DEBUG = "RUSHES_DEBUG"
"""Set to anything, this variable lets tracebacks through."""


@contextmanager
def explained(as_json: bool = False) -> Iterator[None]:
    """Run a command's body. An error becomes one line on stderr, or an object on stdout (`as_json`), and its exit code.

    SIGTERM is treated like Ctrl-C, so that temporary files go in both cases.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except RushesError as error:
        if os.environ.get(DEBUG):
            raise
        tell(error, as_json)
        raise typer.Exit(code_of(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has left (`| head`): say nothing, and keep the interpreter from saying it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def code_of(error: RushesError) -> int:
    """BAD_REQUEST where the person who typed can set it right, FAILED otherwise."""
    asked_wrongly = isinstance(error, WrongSetup) or (error.status < 500 and not error.retryable)
    return BAD_REQUEST if asked_wrongly else FAILED


def tell(error: RushesError, as_json: bool) -> None:
    """The error in the envelope's words, or as one line for people."""
    if as_json:
        inner = {"message": error.message, "type": error.kind, "param": error.field, "code": error.code}
        print(json.dumps({"error": inner}, ensure_ascii=False))
    else:
        print(f"rushes: {error.message}", file=sys.stderr)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
