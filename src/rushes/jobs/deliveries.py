"""The messages that are owed to webhooks, and the secrets that sign them.

    – → pending             enqueue (outbox.py), in the transaction that ends the job
    pending → pending       claim      a new token, a short lease, one try more
    pending → pending       again      later
    pending → delivered | failed       delivered · given_up
    pending → disabled      disabled   the receiver says that it is gone: so is all that waits for the same address

Like a job, a try is leased and fenced by its token. A dispatcher that dies between the receiver's answer and the mark
leaves the message to the next one, with the same id: at least once, never lost.
"""

from __future__ import annotations

import base64
import secrets
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, tuple_, update

from rushes.contract.delivery import Delivery
from rushes.jobs.database import Database, in_turn
from rushes.jobs.rows import Where, job_from
from rushes.jobs.tables import deliveries, jobs, webhook_secrets

LEASE_S = 60.0  # longer than a try may take together with its mark
OLD_SECRET_S = 24 * 3600.0  # how long a replaced secret signs beside its successor
SECRET_BYTES = 32

d = deliveries.c


class Deliveries:
    """The table of messages. Every method raises `Unavailable` where the database stays busy or away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, lease_s: float = LEASE_S) -> Delivery | None:
        """Take the message that is due longest; None when none is.

        Of one owner's messages to one host only one is under way at a time: a receiver that lets us wait holds up
        nobody but itself.
        """
        now, token = self._database.now, secrets.token_hex(16)
        pending = d.state == "pending"
        under_way = select(d.owner, d.endpoint).where(pending, d.lease_until >= now)

        def due(connection: Connection) -> str | None:
            busy = [tuple(row) for row in connection.execute(under_way)]
            free = [tuple_(d.owner, d.endpoint).not_in(busy)] if busy else []
            waiting = (
                select(d.id)
                .where(pending, d.next_at <= now, or_(d.lease_until.is_(None), d.lease_until < now), *free)
                .order_by(d.next_at, d.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            return connection.execute(waiting).scalar_one_or_none()

        def work(connection: Connection) -> Row[Any] | None:
            in_turn(connection, "deliver")  # what is under way is said by all claims
            if (id := due(connection)) is None:
                return None
            taken = update(deliveries).where(d.id == id, pending)
            taken = taken.values(attempt=d.attempt + 1, token=token, lease_until=now + lease_s)
            return connection.execute(taken.returning(deliveries)).one_or_none()

        # Idle dispatchers ask all the time; a read leaves the writers alone.
        if self._database.read(due) is None:
            return None
        row = self._database.write(work)
        return None if row is None else _delivery(row)

    def delivered(self, delivery: Delivery, status: int) -> bool:
        """The receiver took it. False, here and below, where this try was over already and nothing is written."""
        return self._end(delivery, "delivered", status)

    def given_up(self, delivery: Delivery, status: int | None) -> bool:
        """The last try failed; `status` None is for no answer at all."""
        return self._end(delivery, "failed", status)

    def again(self, delivery: Delivery, after_s: float, status: int | None) -> bool:
        """Try once more, `after_s` seconds from now."""
        values = {"next_at": self._database.now + after_s, "token": None, "lease_until": None, "last_status": status}
        return self._database.write(lambda c: _touched(c, _held(delivery), values))

    def disabled(self, delivery: Delivery, status: int) -> bool:
        """The receiver is gone for good: drop this message and all that wait for the same address of the same owner."""
        same = (d.owner == delivery.owner, d.url == delivery.url, d.state == "pending")
        ended = _ended("disabled", self._database.now)

        def work(connection: Connection) -> bool:
            ours = _touched(connection, _held(delivery), {**ended, "last_status": status})
            if ours:
                _touched(connection, same, ended)
            return ours

        return self._database.write(work)

    def signing_secrets(self, owner: str) -> tuple[str, ...]:
        """What signs this owner's messages, the newest first. The first secret is made when it is first asked for."""
        now = self._database.now

        def known(connection: Connection) -> tuple[str, ...]:
            s = webhook_secrets.c
            valid = select(s.secret, s.previous, (s.previous_until > now).label("both")).where(s.owner == owner)
            row = connection.execute(valid).one_or_none()
            if row is None:
                return ()
            return (row.secret, row.previous) if row.both else (row.secret,)

        def made(connection: Connection) -> tuple[str, ...]:
            in_turn(connection, "signing secret")
            if found := known(connection):
                return found
            connection.execute(insert(webhook_secrets).values(owner=owner, secret=new_secret()))
            return known(connection)

        return self._database.read(known) or self._database.write(made)

    def replace_secret(self, owner: str) -> str:
        """A new secret for this owner. The one before signs beside it for a day, so that receivers can follow."""
        self.signing_secrets(owner)  # there is one to replace
        fresh, until = new_secret(), self._database.now + OLD_SECRET_S
        change = update(webhook_secrets).where(webhook_secrets.c.owner == owner)
        change = change.values(secret=fresh, previous=webhook_secrets.c.secret, previous_until=until)
        self._database.write(lambda c: c.execute(change))
        return fresh

    def _end(self, delivery: Delivery, state: str, status: int | None) -> bool:
        values = {**_ended(state, self._database.now), "last_status": status}
        return self._database.write(lambda c: _touched(c, _held(delivery), values))


def new_secret() -> str:
    """A signing secret as Standard Webhooks spells it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def _held(delivery: Delivery) -> Where:
    return (d.id == delivery.id, d.token == delivery.token, d.state == "pending")


def _ended(state: str, now: ColumnElement[float]) -> dict[str, Any]:
    """The columns of a message that is no longer owed: what it said is not kept."""
    return {"state": state, "finished_at": now, "token": None, "lease_until": None, "body": {}}


def _touched(connection: Connection, where: Where, values: dict[str, Any]) -> bool:
    return connection.execute(update(deliveries).where(*where).values(**values)).rowcount > 0


def _delivery(row: Row[Any]) -> Delivery:
    blank = dict.fromkeys(column.name for column in jobs.columns)  # a column may be younger than the message
    kept: Any = SimpleNamespace(**blank | row.body)
    return Delivery(row.id, row.owner, row.url, row.event, job_from(kept), row.attempt, row.token)
