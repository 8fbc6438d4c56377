"""Transactions that come at the same moment, under one commit.

A commit on SQLite is one wait for the disk, and one writer waits for it at a time: that wait, not the work, is what a
burst of requests queues up for. Here whoever gets the turn does the work of all who stand in line, and none of them has
an answer before the commit that they share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from rushes.errors import RushesError, Unavailable

T = TypeVar("T")
Work = Callable[[Connection], Any]

MOST = 32
"""How many share a commit: beyond that, who came first would wait longer for the others than for the disk."""


class Together:
    """`write`, which runs one transaction, shared by those who call at the same moment, each with work of its own."""

    def __init__(self, write: Callable[[Work], Any], patience_s: float) -> None:
        self._write = write
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._line: list[_Waiting] = []

    def write(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, after the commit. An exception of its own undoes it and nobody else's work.

        Raises `Unavailable` when the patience is over.
        """
        mine = _Waiting(work)
        with self._guard:
            self._line.append(mine)
        while not mine.ended:
            if not self._turn.acquire(timeout=self._patience_s):
                with self._guard:
                    if mine in self._line:
                        self._line.remove(mine)
                        raise Unavailable("the job database is busy; try again in a moment")
                continue  # somebody has it in hand, and their own patience has an end
            try:
                if not mine.ended:
                    with self._guard:
                        batch, self._line = self._line[:MOST], self._line[MOST:]
                    self._settle(batch)
            finally:
                self._turn.release()
        if mine.error is not None:
            raise mine.error
        return cast(T, mine.result)

    def _settle(self, batch: list[_Waiting]) -> None:
        """One transaction for all; where it fails for a reason that is not the database's, one for each."""
        try:
            outcomes = self._write(lambda connection: [_tried(connection, one, len(batch) == 1) for one in batch])
            for one, (result, error) in zip(batch, outcomes, strict=True):
                one.end(result, error)
        except Exception as error:
            if isinstance(error, RushesError) or len(batch) == 1:
                for one in batch:
                    one.end(None, error)
            else:
                for one in batch:
                    self._settle([one])


class _Waiting:
    def __init__(self, work: Work) -> None:
        self.work = work
        self.ended = False
        self.result: Any = None
        self.error: Exception | None = None

    def end(self, result: Any, error: Exception | None) -> None:
        self.result, self.error, self.ended = result, error, True


def _tried(connection: Connection, one: _Waiting, alone: bool) -> tuple[Any, RushesError | None]:
    """The result of one's work, or why it was refused; in the latter case nothing of it is left.

    Any other error is left to the whole transaction: after some of them, such as a full disk, SQLite has undone it.
    """
    if alone:
        return one.work(connection), None
    savepoint = connection.begin_nested()
    try:
        result = one.work(connection)
    except RushesError as refusal:
        savepoint.rollback()
        return None, refusal
    savepoint.commit()
    return result, None
