"""Short in `make test`, long in `make chaos`: how long, how often, and the table of figures at the end.

`make chaos` loads this file as a plugin of pytest, with CHAOS=long.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

LONG = os.environ.get("CHAOS") == "long"
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "10"))
STORM_S = float(os.environ.get("CHAOS_STORM_S", "600" if LONG else "10"))

REPEATED = ("test_killed_workers", "test_workers_that_wake_or_leave", "test_killed_doors", "test_postgresql_killed")
"""Files whose tests are played `ROUNDS` times: where a process dies in them is a matter of microseconds."""


def pytest_generate_tests(metafunc: Any) -> None:
    if metafunc.module.__name__ in REPEATED:
        metafunc.fixturenames.append("round_of_chaos")
        metafunc.parametrize("round_of_chaos", range(ROUNDS))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table: how often each test held, and what it measured the last time."""
    held: dict[str, int] = defaultdict(int)
    times: dict[str, int] = defaultdict(int)
    took_s: dict[str, float] = defaultdict(float)
    figures: dict[str, dict[str, object]] = defaultdict(dict)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if report.when != "call":
                continue
            file, _, test = report.nodeid.rpartition("/")[2].partition("::")
            name = f"{file.removesuffix('.py')}: {test.partition('[')[0].removeprefix('test_').replace('_', ' ')}"
            times[name] += 1
            held[name] += outcome == "passed"
            took_s[name] += report.duration
            figures[name].update(report.user_properties)
    write = terminalreporter.write_line
    terminalreporter.section("figures")
    write("| what | held | seconds |")
    write("| --- | --- | --- |")
    for name in sorted(times):
        write(f"| {name} | {held[name]} of {times[name]} | {took_s[name]:.0f} |")
        for what, how_much in figures[name].items():
            write(f"| – {what} | {how_much} | |")
