"""The tables, and how they come to be.

Times are Unix seconds by the database's clock. JSON columns hold what `to_json` of the contract's values gives.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    false,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateColumn

from rushes.contract.job import JobState
from rushes.errors import WrongSetup
from rushes.failpoints import failpoint

SCHEMA_VERSION = 4
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
    Column(
        "request_hash", Text, nullable=False
    ),  # of what decides the file's bytes; finds an earlier job with the same
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
    # Since schema 2. What is added to a table that has rows may be null or says what they get.
    Column("held", Boolean, nullable=False, server_default=false()),  # paused: waits, and is not claimed
    Column("checkpoint", JSON(none_as_null=True)),
    Column("claimed_at", Double),  # when this attempt began; `started_at` is the first one's
    Column("resumed", Boolean, nullable=False, server_default=false()),  # this attempt had a checkpoint to go on from
    Column("webhook", Text),
    Column("reuse_of", Text),  # no foreign key: the earlier job may be deleted, and this one keeps its own copy
    Column("asked_model", Text),  # where it is not `model`; PostgreSQL cannot look into JSON with every string of ours
    # Since schema 3.
    Column("setbacks", Integer, nullable=False, server_default=text("0")),  # attempts ended by what may pass
    Column("not_before", Double),  # a job that was set back is not claimed earlier
    Index("jobs_of_owner", "owner", "id"),
    Index("jobs_ended", "finished_at"),
)

LISTED = "jobs_listed_"
"""What the names of the indexes begin with that lists of one state are read from."""

# Partial: each question below is asked of some rows alone. `lease_until` stays out of every index, because it changes
# with each beat and running rows are few.
for _name, _rows, _columns in (
    ("jobs_waiting", "state = 'queued'", (jobs.c.model, jobs.c.priority, jobs.c.queued_at)),
    # With all that is asked for in counting, so that the rows themselves need not be read.
    (
        "jobs_waiting_in_order",
        "state = 'queued'",
        (jobs.c.priority, jobs.c.queued_at, jobs.c.id, jobs.c.held, jobs.c.owner, jobs.c.state),
    ),
    (
        "jobs_waiting_of_owner",
        "state = 'queued'",
        (jobs.c.owner, jobs.c.model, jobs.c.held, jobs.c.priority, jobs.c.queued_at, jobs.c.id),
    ),
    ("jobs_running", "state = 'running'", (jobs.c.id,)),
    ("jobs_running_of_owner", "state = 'running'", (jobs.c.owner, jobs.c.id)),
    ("jobs_claimed_of_owner", "claimed_at IS NOT NULL", (jobs.c.owner, jobs.c.claimed_at)),
    ("jobs_made", "state = 'succeeded'", (jobs.c.request_hash, jobs.c.owner)),
    ("jobs_made_by", "state = 'succeeded'", (jobs.c.model, jobs.c.finished_at)),
    # One for each state, since SQLite would take one of all states for questions about the few rows that wait or run.
    # With the state once more, or it would take `jobs_of_owner`; with the models, so that who looks for a rare one
    # reads no row of another.
    *(
        (
            f"{LISTED}{state}",
            f"state = '{state}'",
            (jobs.c.owner, jobs.c.state, jobs.c.id, jobs.c.model, jobs.c.asked_model),
        )
        for state in JobState
    ),
):
    _only = text(_rows)
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

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("body_hash", Text, nullable=False),
    Column("at", Double, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("job", Text, primary_key=True),  # no foreign key: deleting a video does not give its seconds back
    Column("owner", Text, nullable=False),
    Column("seconds", Double, nullable=False),  # of video, as asked for
    Column("at", Double, nullable=False),
    Index("usage_of_owner", "owner", "at"),
)

job_inputs = Table(
    "job_inputs",
    metadata,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True, index=True),  # in the storage of inputs; several jobs may share one
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),  # the message's id: the same at every try, so that a receiver knows it again
    Column("job", Text, nullable=False, index=True),  # no foreign key: what a swept job owed is still told
    Column("owner", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("endpoint", Text, nullable=False),  # the URL's host and port: one that is slow must not hold up the others
    Column("event", Text, nullable=False),
    Column("body", JSON, nullable=False),  # the job's row as it ended, without its prompt; emptied once told
    Column("attempt", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("token", Text),
    Column("lease_until", Double),
    Column("state", Text, nullable=False),  # pending, delivered, failed or disabled
    Column("last_status", Integer),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
)
_pending = text("state = 'pending'")
Index("deliveries_due", deliveries.c.next_at, sqlite_where=_pending, postgresql_where=_pending)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("secret", Text, nullable=False),  # whsec_…; signing needs it in the clear
    Column("previous", Text),  # signs beside the new one until `previous_until`
    Column("previous_until", Double),
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

    Errors  `WrongSetup` where a newer Rushes or another program wrote the tables; they are left as they are. What the
            database raises where they may not be written.
    """
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE already lets one in at a time
        connection.execute(text("SELECT pg_advisory_xact_lock(7264726)"))
    look = inspect(connection)
    taken = [name for name in metadata.tables if look.has_table(name)]
    if not taken:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    found = _found_version(connection)
    if found is None:
        raise WrongSetup(
            f"this database has tables of another program by the names of ours: {', '.join(taken)}. "
            "Hint: name another database, or another data directory"
        )
    if found > SCHEMA_VERSION:
        raise WrongSetup(
            f"this database was written by a newer Rushes: schema {found}, and this program knows {SCHEMA_VERSION}. "
            "Hint: start that newer version, or name another data directory"
        )
    if found < SCHEMA_VERSION:
        _migrate(connection)
    connection.execute(delete(jobs).where(false()))  # changes nothing, and is refused where nothing may be changed


def _found_version(connection: Connection) -> int | None:
    """The schema of the tables that are there; None where they are not ours."""
    look = inspect(connection)
    if not (look.has_table(schema_version.name) and look.has_table(jobs.name)):
        return None
    named = [column["name"] for column in look.get_columns(schema_version.name)]
    there = {column["name"] for column in look.get_columns(jobs.name)}
    # Those of the first schema: what came later may be null or has a default.
    ours = {column.name for column in jobs.columns if not column.nullable and column.server_default is None}
    if named != [schema_version.c.version.name] or not ours <= there:
        return None
    versions = connection.execute(select(schema_version.c.version)).scalars().all()
    return versions[0] if len(versions) == 1 and isinstance(versions[0], int) else None


def _migrate(connection: Connection) -> None:
    """Bring the tables of an older version up to now; jobs that wait or run in them stay as they are.

    Every change so far only added tables, columns and indexes, so the difference can be read off the database itself:
    one road from every version, and no list of steps to keep true. A change of another kind needs a step of its own.
    """
    there = {column["name"] for column in inspect(connection).get_columns(jobs.name)}
    for column in jobs.columns:
        if column.name not in there:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {jobs.name} ADD COLUMN {definition}"))
    for id, model, request in connection.execute(select(jobs.c.id, jobs.c.model, jobs.c.request)).all():
        if request["model"] != model:
            connection.execute(update(jobs).where(jobs.c.id == id).values(asked_model=request["model"]))
    metadata.create_all(connection)  # makes the tables that are missing, each with its indexes
    for index in jobs.indexes:
        index.create(connection, checkfirst=True)
    failpoint("migrating")
    connection.execute(update(schema_version).values(version=SCHEMA_VERSION))
