"""The `rushes` command with one small model in place of the embedded one: same doors, same workers, no weights.

It answers to the embedded one's name, too.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tiny_model import CARD

from rushes import assemble
from rushes.catalogue.cards import mini
from rushes.cli.app import main

assemble.CARDS = (CARD, replace(CARD, id=mini.CARD.id))
assemble.WORKER_ARGV = (sys.executable, __file__, "worker")

if __name__ == "__main__":
    main()
