"""API keys as the database knows them: digests and whose they are, never the keys."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select

from rushes.jobs.database import Database, in_turn
from rushes.jobs.tables import api_keys

_WHOSE = select(api_keys.c.owner).where(api_keys.c.digest == bindparam("digest"))  # built once: each request asks it


class Keys:
    """The key table. A digest is the hex SHA-256 of a key with 32 random bytes; such a key needs no slow hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, digest: str, owner: str) -> None:
        self._database.write(lambda connection: self._insert(connection, digest, owner))

    def add_first(self, digest: str, owner: str) -> bool:
        """Add the key if there is none yet. Of two programs that start at once, one is told True."""

        def work(connection: Connection) -> bool:
            in_turn(connection, "first key")
            if connection.execute(select(api_keys.c.digest).limit(1)).first() is not None:
                return False
            self._insert(connection, digest, owner)
            return True

        return self._database.write(work)

    def owner_of(self, digest: str) -> str | None:
        """Whose key has this digest; None when nobody's has."""
        return self._database.read(lambda c: c.execute(_WHOSE, {"digest": digest}).scalar_one_or_none())

    def remove(self, digest: str) -> None:
        self._database.write(lambda connection: connection.execute(delete(api_keys).where(api_keys.c.digest == digest)))

    def _insert(self, connection: Connection, digest: str, owner: str) -> None:
        connection.execute(insert(api_keys).values(digest=digest, owner=owner, created_at=self._database.now))
