"""The `rushes` command with the embedded model on weights of a few kilobytes, which lie in the folder TINY_WEIGHTS.

Everything else is as it is: same engine, same graphs, same files.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rushes import assemble
from rushes.catalogue.cards import mini
from rushes.cli.app import main

if TYPE_CHECKING:
    from rushes.models.mini.adapter import MiniAdapter


def load() -> MiniAdapter:
    from rushes.models.mini.adapter import MiniAdapter

    return MiniAdapter(Path(os.environ["TINY_WEIGHTS"]), threads=1)


CARD = replace(mini.CARD, adapter="mini_on_tiny_weights:load", remarks=None)

if __name__ == "__main__":
    assemble.CARDS = (CARD,)
    assemble.WORKER_ARGV = (sys.executable, __file__, "worker")
    main()
