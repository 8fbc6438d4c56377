"""What the host's memory has to give to this process before it swaps, or before the kernel ends somebody."""

from __future__ import annotations

import os
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

GIVEN_UP = ("inactive_file", "active_file", "total_inactive_file", "total_active_file")
"""Of what a group of processes takes, what was only read from files. The first version of groups says `total_`."""


def host_bytes() -> int:
    """The least of what the machine has to give and what this process's group may take yet (a container, a service)."""
    return min([machine_bytes(), *_left_in_groups()])


def machine_bytes(proc: Path = PROC) -> int:
    try:
        for line in (proc / "meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _left_in_groups(proc: Path = PROC, groups: Path = CGROUPS) -> list[int]:
    """What each group that holds this process may take yet; nothing where it is in none, or none has a limit."""
    try:
        lines = (proc / "self" / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    left: list[int] = []
    limits: tuple[str, ...]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            # Beyond the second nobody is ended, but all is slowed down until hardly anything moves.
            place, limits, taken = groups, ("memory.max", "memory.high"), "memory.current"
        elif "memory" in controllers.split(","):
            place, limits, taken = groups / "memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes"
        else:
            continue
        # Its own and all around it; in a container the path is often one that is not to be seen from inside.
        folder = place / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group != groups.parent and groups in (group, *group.parents):
                left += (room for limit in limits for room in _left(group, limit, taken))
    return left


def _left(group: Path, limit: str, taken: str) -> list[int]:
    try:
        most = (group / limit).read_text("ascii").strip()
        if most == "max":
            return []
        stat = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        cached = max(sum(int(stat.get(name, 0)) for name in names) for names in (GIVEN_UP[:2], GIVEN_UP[2:]))
        return [int(most) - int((group / taken).read_text("ascii")) + cached]
    except (OSError, ValueError):
        return []
