"""How a command ends: four exit codes, and one place that turns errors into them."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from rushes.errors import RushesError, StorageUnavailable, WrongSetup, shown

OK = 0
FAILED = 1  # the request was fine, making it was not
BAD_REQUEST = 2  # the request or the command line cannot be honoured as written
INTERRUPTED = 130  # Ctrl-C, a polite kill or a closed terminal; nothing half-made is left behind

STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)  # whoever typed cannot set that right by typing otherwise

DEBUG = "RUSHES_DEBUG"
"""Set to anything, this variable lets tracebacks through."""


@contextmanager
def explained(as_json: bool = False) -> Iterator[None]:
    """Run a command's body. An error becomes one line on stderr, or an object on stdout (`as_json`), and its exit code.

    SIGTERM is treated like Ctrl-C, and so is the end of the terminal, so that temporary files go in all cases.
    """
    # What was started to outlive its terminal (`nohup`) is left to it.
    heard = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heard}
    try:
        yield
    except BrokenPipeError:
        # The reader of our output has left (`| head`): say nothing, and keep the interpreter from saying it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except (RushesError, OSError, UnicodeEncodeError) as error:
        if os.environ.get(DEBUG):
            raise
        said = error if isinstance(error, RushesError) else of_the_system(error)
        try:
            tell(said, as_json)
        except OSError:  # what the system refused may be our very output
            tell(said, as_json=False)
        raise typer.Exit(code_of(said)) from None
    except (KeyboardInterrupt, typer.Abort):
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def of_the_system(error: OSError | UnicodeEncodeError) -> RushesError:
    """What the system refused, in its own few words: a file that may not be read, a name that is too long, a full disk.

    Where a command knows which flag is at fault, it has said so itself. Of words that are none in UTF-8, which the
    system hands on as it got them, one character is told: the rest may be a key.
    """
    if isinstance(error, UnicodeEncodeError):
        where = f"{shown(error.object[error.start])} at character {error.start}"
        return WrongSetup(f"what was given is no text in UTF-8: {where}")
    reason = error.strerror or type(error).__name__
    message = reason if error.filename is None else f"{shown(error.filename)}: {reason}"
    return StorageUnavailable(message) if error.errno in FULL else WrongSetup(message)


def refuse_unheard(context: typer.Context, *heard: str) -> None:
    """Refuse what stands between a group and its command, which would never hear of it, but for the options `heard`."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in heard and source is not None and source.name == "COMMANDLINE":
            flag, command = option.opts[0], f"{context.command_path} {context.invoked_subcommand}"
            raise typer.BadParameter(f"write it behind the command: {command} {flag}", param_hint=flag)


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
