"""Telling: what a job says of itself, carried to those who want to know.

`bus` lets any number of watchers follow their jobs with one reader of the history between them, `progress` learns from
this machine's own finished jobs how long the next one takes. The job table stays the only truth: a watcher that
missed something asks it again. Called by `videos` and `api`; knows no database and no HTTP.
"""
