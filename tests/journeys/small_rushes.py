"""The `rushes` command with one small model in place of the embedded one: same doors, same workers, no weights."""

from __future__ import annotations

import sys

from tiny_model import CARD

from rushes import assemble
from rushes.cli.app import main

assemble.CARDS = (CARD,)
assemble.WORKER_ARGV = (sys.executable, __file__, "worker")

if __name__ == "__main__":
    main()
