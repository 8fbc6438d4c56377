"""The tables, and how they come to be.

Times are Unix seconds by the database's clock. JSON columns hold what `to_json` of the contract's values gives.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)

from rushes.errors import WrongSetup

SCHEMA_VERSION = 1
"""Counts up with every change of the tables; a database that is ahead of the program is refused."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("model", Text, nullable=False),  # the card that makes it, not the id that was asked for: workers pick by it
    Column("request", JSON, nullable=False),  # written once, never changed
    Column("request_hash", Text, nullable=False),  # tells a repeated request from a different one under the same key
    Column("secret", Text, nullable=False),  # makes the file's URL unguessable
    Column("priority", Integer, nullable=False),  # like `nice`: the smaller goes first
    Column("queued_at", Double, nullable=False),  # kept when a job returns to the queue, so that it keeps its place
    Column("state", Text, nullable=False),
    Column("cancel_at", Double),
    Column("attempt", Integer, nullable=False),
    Column("token", Text),  # random for each claim; a number could be issued twice after a failover
    Column("crashes", Integer, nullable=False),
    Column("worker", Text),
    Column("lease_until", Double),
    Column("stage", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("progress", Double, nullable=False),
    Column("event_seq", Integer, nullable=False),
    Column("artifact", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Index("jobs_of_owner", "owner", "id"),
)

# Partial: the finished rows are the many, and neither question is ever asked of them. `lease_until` stays out of
# every index, because it changes with each beat and running rows are few.
for _name, _state, _columns in (
    ("jobs_waiting", "queued", (jobs.c.model, jobs.c.priority, jobs.c.queued_at)),
    ("jobs_running", "running", (jobs.c.id,)),
):
    _only = text(f"state = '{_state}'")
    Index(_name, *_columns, sqlite_where=_only, postgresql_where=_only)

job_events = Table(
    "job_events",
    metadata,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # 1, 2, 3 … without gaps, given out by jobs.event_seq
    Column("attempt", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("at", Double, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the key; the key itself is never written
    Column("owner", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)


def prepare_schema(connection: Connection) -> None:
    """Make what is missing. Run inside one exclusive transaction, so that a door and its workers may start at once.

    Errors  `WrongSetup` where a newer Rushes wrote the database; it is left as it is.
    """
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE already lets one in at a time
        connection.execute(text("SELECT pg_advisory_xact_lock(7264726)"))
    if not inspect(connection).has_table(schema_version.name):
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    found = connection.execute(select(schema_version.c.version)).scalar_one()
    if found > SCHEMA_VERSION:
        raise WrongSetup(
            f"this database was written by a newer Rushes: schema {found}, and this program knows {SCHEMA_VERSION}. "
            "Hint: start that newer version, or name another data directory"
        )
