"""The `rushes` command with the tiny model beside the embedded one; workers that it starts have it too."""

import signal
import sys

import tiny_model

from rushes import assemble
from rushes.cli.app import main

# A shell gives its background jobs an ignored SIGINT, and they hand it on: a suite run there could never press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
assemble.CARDS = (*assemble.CARDS, tiny_model.CARD)
assemble.WORKER_ARGV = (sys.executable, __file__, "worker")
main()
