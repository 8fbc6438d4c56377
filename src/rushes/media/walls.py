"""What a decode child gives up before it sees a foreign byte. Every wall needs no more rights than any user has.

Order matters: Landlock opens a descriptor of its own, and the descriptor limit comes last, since after it nothing can
be opened at all: no file, no socket, no pipe.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

NOBODY = 65534

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_RESTRICT_SELF = 444, 446  # the same number on every architecture
LANDLOCK_VERSION_FLAG = 1

LANDLOCK_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""By the version that first knew them: the rights over files that are taken away, which is all of them."""
LANDLOCK_TCP = 0b11  # bind and connect, from version 4
LANDLOCK_SCOPES = 0b11  # abstract sockets of others, and signals to others, from version 6

SANDBOX_NAMED = 1  # macOS: the profile is one of the system's own

LINUX, MACOS = (sys.platform.startswith(name) for name in ("linux", "darwin"))

libc = ctypes.CDLL(None, use_errno=True)


class NoWall(Exception):
    """A wall that this kernel does not offer, or that could not be raised."""


def landlock_version() -> int:
    """0 where the kernel has none."""
    if not LINUX:
        return 0
    found = libc.syscall(
        ctypes.c_long(SYS_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(LANDLOCK_VERSION_FLAG),
    )
    return max(0, int(found))


def landlock() -> None:
    """No path may be opened, changed or run, no TCP port used, no other process signalled."""
    version = landlock_version()
    if version == 0:
        raise NoWall("this kernel has no Landlock")
    files = max(mask for since, mask in LANDLOCK_FILES.items() if since <= version)
    words = [files]
    if version >= 4:
        words.append(LANDLOCK_TCP)
    if version >= 6:
        words.append(LANDLOCK_SCOPES)
    ruleset = (ctypes.c_uint64 * len(words))(*words)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise NoWall("no_new_privs was refused")
    descriptor = libc.syscall(
        ctypes.c_long(SYS_LANDLOCK_CREATE_RULESET),
        ctypes.byref(ruleset),
        ctypes.c_size_t(ctypes.sizeof(ruleset)),
        ctypes.c_uint32(0),
    )
    if descriptor < 0:
        raise NoWall("Landlock took no rules")
    try:
        if libc.syscall(ctypes.c_long(SYS_LANDLOCK_RESTRICT_SELF), ctypes.c_int(descriptor), ctypes.c_uint32(0)) != 0:
            raise NoWall("Landlock could not be entered")
    finally:
        os.close(descriptor)


def sandbox() -> None:
    """macOS: the system's profile for pure computation; no file, no network, no program."""
    if not MACOS:
        raise NoWall("this system has no such sandbox")
    enter = ctypes.CDLL("/usr/lib/libsandbox.dylib").sandbox_init
    enter.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_char_p)]
    if enter(b"pure-computation", SANDBOX_NAMED, ctypes.byref(ctypes.c_char_p())) != 0:
        raise NoWall("the sandbox was refused")


def another_user() -> None:
    """Root could lift every limit again: become nobody. Not needed for anyone else."""
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except (OSError, AttributeError) as error:
        raise NoWall("root stays root here") from error


def die_with(parent: int) -> None:
    """Linux: be killed when `parent` ends. Changing the user forgets this, so it comes after."""
    if LINUX:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def raise_all(memory_bytes: int, processor_s: int) -> dict[str, bool]:
    """Raise every wall this system has; which of them stand, by name.

    Errors  NoWall where one is missing without which no foreign file is opened.
    """

    def limit(which: int, soft: int, hard: int | None = None) -> Callable[[], None]:
        return lambda: resource.setrlimit(which, (soft, soft if hard is None else hard))

    kernel = sandbox if MACOS else landlock
    walls: list[tuple[str, bool, Callable[[], None]]] = [
        ("user", False, another_user),
        ("kernel", False, kernel),
        # macOS takes this limit and does not keep it.
        ("memory", LINUX, limit(resource.RLIMIT_AS, memory_bytes)),
        # The soft limit's signal ends the child and can be told from other ends; the hard one cannot be caught.
        ("processor", True, limit(resource.RLIMIT_CPU, processor_s, processor_s + 1)),
        ("writing", True, limit(resource.RLIMIT_FSIZE, 0)),
        ("core", True, limit(resource.RLIMIT_CORE, 0)),
        ("processes", False, limit(resource.RLIMIT_NPROC, 0)),
        ("descriptors", True, limit(resource.RLIMIT_NOFILE, 0)),
    ]
    standing = {}
    for name, needed, wall in walls:
        standing[name] = False
        with suppress(NoWall, OSError, ValueError):
            wall()
            standing[name] = True
        if needed and not standing[name]:
            raise NoWall(name)
    return standing
