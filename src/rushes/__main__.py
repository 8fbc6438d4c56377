"""`python -m rushes` is the `rushes` command."""

from rushes.cli.app import main

main()
