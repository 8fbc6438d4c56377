"""Durable work: one table, one transaction per change of state, one token per claim.

The database is the only truth about a job. A door adds rows, workers claim them under a lease, and every
write of a worker names its claim's token, so that a worker which lost its lease can no longer change anything.
`store` holds the transitions, `worker` performs one job at a time (`heart` holds its claim while `stall` sees the
work move, `kept` answers for its checkpoints), `host` starts workers and buries them, `rescue` gives back what the
dead held. The room knows nothing of video beyond the words of `contract`: a worker is given the function that
performs a job. `videos` and `assemble` call it.
"""
