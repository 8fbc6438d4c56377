"""The `rushes` command with the tiny model beside the embedded one; workers that it starts have it too."""

import sys

import tiny_model

from rushes import assemble
from rushes.cli.app import main

assemble.CARDS = (*assemble.CARDS, tiny_model.CARD)
assemble.WORKER_ARGV = (sys.executable, __file__, "worker")
main()
