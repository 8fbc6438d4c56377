"""The terminal door: `rushes generate`, `serve`, `worker`, `models`, `jobs`, `replay`, `keys` and `doctor`.

Turns flags into the same values that `api` makes of a body, and outcomes into text, JSON and exit codes.
What a request may hold is the catalogue's business, and how things are built is `assemble`'s: a command
parses, calls, shows. Each command is a file and imports what it needs only when it runs, so that
`rushes --help` is quick. Called by a person, by scripts, and by the host that starts workers.
"""
