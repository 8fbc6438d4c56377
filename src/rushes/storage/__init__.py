"""Where finished files lie: one protocol, `base.Storage`, and `local.LocalStorage` on a directory;
and `scratch`, where they lie until they are finished.

A file under its key is whole and durable from the moment it can be seen; it is never changed, only deleted.
The room knows nothing of jobs: which file belongs to whom is said by the job's row alone. `perform` puts,
`videos` opens and deletes.
"""
