"""The promises, held against every committed transaction and against what is left at the end.

It reads the rows as they are and knows nothing of how the engine keeps them: no statement of the engine's is used here.
The numbers P1 to P12 are those of docs/reliability.md.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from simulator.clips import content_of
from simulator.database import Call
from simulator.files import Files
from simulator.people import Wish, replies
from simulator.world import Process, World

Rows = dict[str, dict[str, Any]]

FINAL = ("succeeded", "failed", "cancelled")
ENDINGS = {
    ("queued", "running"): ("claim",),
    ("queued", "cancelled"): ("cancel",),
    ("running", "queued"): ("release", "rescue"),
    ("running", "succeeded"): ("finish",),
    ("running", "failed"): ("fail", "rescue"),
    ("running", "cancelled"): ("cancelled", "fail", "release", "rescue"),
}
"""Which calls may bring a job from one state to another."""

SEEN = """
SELECT id, json_extract(request, '$.prompt') AS prompt, json_extract(request, '$.steps') AS wished_steps, state, token,
       attempt, crashes, worker, lease_until, held, cancel_at, checkpoint, artifact, event_seq, webhook
FROM jobs
"""
MAX_CRASHES = 3
CANCEL_S = 2.0
RESCUE_S = 5.0  # by then somebody has looked for leases that are over


class Checker:
    def __init__(
        self, world: World, rows: sqlite3.Connection, process_named: Callable[[str], Process | None], step_s: float
    ) -> None:
        self._world = world
        self._db = rows
        self._process_named = process_named
        self._step_s = step_s
        self.artifacts: Files
        self.checkpoints: Files
        self.damaged: set[str] = set()  # keys of checkpoints that something happened to
        self._rows: Rows = {}
        self._tokens: set[str] = set()
        self._created: dict[str, list[str]] = {}  # prompt → ids
        self._cancel_asked: dict[str, float] = {}

    def rows(self) -> Rows:
        found = {row["id"]: dict(row) for row in self._db.execute(SEEN)}
        for row in found.values():
            for name in ("checkpoint", "artifact"):
                row[name] = None if row[name] is None else json.loads(row[name])
        return found

    def committed(self, call: Call | None, result: Any) -> None:
        before, after = self._rows, self.rows()
        self._rows = after
        if call is None:
            return
        self._insist_on_the_claim(call, before)
        for id in after.keys() - before.keys():
            self._appeared(call, after[id])
        for id in before.keys() - after.keys():
            if call.method not in ("delete", "prune"):
                self._world.breaks(f"P1: {call.method} made job {id} disappear")
        for id in before.keys() & after.keys():
            if before[id] != after[id]:
                self._changed(call, before[id], after[id])
        if call.method == "cancel" and (row := before.get(call.given[0])) is not None:
            self._cancelled(row, after[row["id"]])

    def leaving(self, storage: str, key: str) -> None:
        """A file is about to go: no row may name it."""
        for row in self._rows.values():
            for named in (row["artifact"], row["checkpoint"]):
                if named is not None and named["key"] == key:
                    self._world.breaks(f"P3: {storage} {key} goes while job {row['id']} ({row['state']}) names it")

    # --- one transaction ---------------------------------------------------------------------------------

    def _insist_on_the_claim(self, call: Call, before: Rows) -> None:
        """P4: who is told that a write was good, held the claim at that moment."""
        claim = call.claim
        if claim is None:
            return
        row = before.get(claim.job.id)
        if row is None or (row["state"], row["token"]) != ("running", claim.token):
            stand = "gone" if row is None else f"{row['state']}, attempt {row['attempt']}"
            self._world.breaks(
                f"P4: {call.method} of attempt {claim.job.attempt} by {call.process} was taken; the job is {stand}"
            )

    def _appeared(self, call: Call, row: dict[str, Any]) -> None:
        if call.method != "add" or row["state"] != "queued":
            self._world.breaks(f"P2: {call.method} made a job that is {row['state']}")
        twins = self._created.setdefault(row["prompt"], [])
        twins.append(row["id"])
        given = call.named["idempotency"]
        if len(twins) > 1 and given.key.startswith("key-"):
            self._world.breaks(f"P5: {len(twins)} jobs for one key: {row['prompt']}")

    def _changed(self, call: Call, before: dict[str, Any], after: dict[str, Any]) -> None:
        world, id, method = self._world, before["id"], call.method
        move = (before["state"], after["state"])
        if before["state"] in FINAL:
            world.breaks(f"P2: {method} changed job {id}, which was {before['state']}")
        if move[0] != move[1] and method not in ENDINGS.get(move, ()):
            world.breaks(f"P2: {method} brought job {id} from {move[0]} to {move[1]}")
        if move[0] != move[1] and after["event_seq"] <= before["event_seq"]:
            world.breaks(f"P2: job {id} went from {move[0]} to {move[1]} without an event")
        if method == "claim":
            self._claimed(call, before, after)
        elif after["attempt"] != before["attempt"]:
            world.breaks(f"P4: {method} counted an attempt")
        if method == "rescue":
            self._rescued(call, before, after)
        elif after["crashes"] != before["crashes"]:
            world.breaks(f"P2: {method} counted a crash")
        if after["state"] == "failed" and before["cancel_at"] is not None:
            world.breaks(f"P8: job {id} was given up and has failed")
        if after["state"] == "succeeded":
            self._published(after)
        if after["checkpoint"] is not None and after["checkpoint"] != before["checkpoint"]:
            key = after["checkpoint"]["key"]
            if method != "checkpoint":
                world.breaks(f"P4: {method} named a checkpoint")
            if not self.checkpoints.has(key) and key not in self.damaged:
                world.breaks(f"P3: the row names the checkpoint {key}, and there is none")
        if after["state"] != "running":
            self._left(before, after)

    def _claimed(self, call: Call, before: dict[str, Any], after: dict[str, Any]) -> None:
        world, id = self._world, before["id"]
        if before["held"]:
            world.breaks(f"P8: job {id} is paused and was taken")
        if after["attempt"] != before["attempt"] + 1 or after["worker"] != call.process:
            world.breaks(f"P4: attempt {after['attempt']} after {before['attempt']}, of {after['worker']}")
        if after["token"] in self._tokens:
            world.breaks(f"P4: a token of job {id} was used before")
        if after["checkpoint"] != before["checkpoint"]:
            world.breaks(f"P3: the claim of job {id} changed its checkpoint")
        self._tokens.add(after["token"])

    def _rescued(self, call: Call, before: dict[str, Any], after: dict[str, Any]) -> None:
        world, id = self._world, before["id"]
        named = call.named.get("worker")
        process = self._process_named(before["worker"])
        if named is None and before["lease_until"] >= world.clock_s:
            left_s = before["lease_until"] - world.clock_s
            world.breaks(f"P4: job {id} was taken back {left_s:.2f} s before its lease was over")
        if named is not None and (named != before["worker"] or process is None or not process.dead):
            world.breaks(f"P4: job {id} of {before['worker']} was taken back as that of {named}")
        if after["crashes"] != before["crashes"] + 1:
            world.breaks(f"P2: job {id} was taken back and no crash counted")
        wanted = "queued" if after["crashes"] < MAX_CRASHES else "failed"
        if before["cancel_at"] is not None:
            wanted = "cancelled"
        if after["state"] != wanted:
            world.breaks(f"P2: job {id} is {after['state']} after crash {after['crashes']}; {wanted} was promised")
        if after["state"] == "queued" and after["crashes"] == 1 and after["checkpoint"] != before["checkpoint"]:
            world.breaks(f"P3: job {id} lost its checkpoint at its first crash")
        if after["crashes"] > 1 and after["checkpoint"] is not None:
            world.breaks(f"P3: job {id} keeps what may have killed {after['crashes']} workers")

    def _published(self, row: dict[str, Any]) -> None:
        world, made = self._world, row["artifact"]
        if made is None or not self.artifacts.has(made["key"]):
            world.breaks(f"P3: job {row['id']} has succeeded, and its file is not there")
        if self.artifacts.sha256(made["key"]) != made["sha256"]:
            world.breaks(f"P3: the file of job {row['id']} is not what its row says")
        if made["sha256"] != hashlib.sha256(content_of(row["prompt"], row["wished_steps"])).hexdigest():
            world.breaks(f"P12: job {row['id']} ended in other bytes than an undisturbed one")

    def _cancelled(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if before["state"] == "queued" and after["state"] != "cancelled":
            self._world.breaks(f"P8: job {before['id']} waited, was given up, and is {after['state']}")
        if before["state"] == "running":
            if after["cancel_at"] is None:
                self._world.breaks(f"P8: job {before['id']} was given up, and its row does not say so")
            self._cancel_asked.setdefault(before["id"], self._world.now)

    def _left(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """The job is nobody's any more."""
        if after["token"] is not None or after["lease_until"] is not None:
            self._world.breaks(f"P10: job {before['id']} is {after['state']} and keeps its lease")
        asked_at = self._cancel_asked.get(before["id"])
        process = self._process_named(before["worker"]) if before["worker"] else None
        if asked_at is None or process is None or process.dead:
            return
        # A worker that was stopped for nearly a lease gives up by its own clock, and the lease may outlast that.
        if process.disturbed_at >= asked_at - self._world.lease_s - RESCUE_S:
            return
        took_s = self._world.now - asked_at
        if took_s > CANCEL_S + self._step_s:
            self._world.breaks(f"P8: job {before['id']} went on for {took_s:.1f} s after it was given up")

    # --- the end -----------------------------------------------------------------------------------------

    def all_final(self) -> bool:
        return all(row["state"] in FINAL for row in self._rows.values())

    def unfinished(self) -> str:
        return ", ".join(f"{row['id']} is {row['state']}" for row in self._rows.values() if row["state"] not in FINAL)

    def end(self, wishes: list[Wish]) -> None:
        """Everybody was answered, every job has ended, every sweep is done."""
        world, rows = self._world, self.rows()
        for id, prompt in replies(wishes).items():
            if id not in self._created.get(prompt, ()):
                world.breaks(f"P5: {prompt} was answered with {id}, which was made for another")
        for wish in wishes:
            if wish.keyed and len(set(wish.answered)) > 1:
                world.breaks(f"P5: {wish.prompt} was answered with {wish.answered}")
            for id in wish.answered:
                if id not in rows and not wish.deleted:
                    world.breaks(f"P1: {wish.prompt} was accepted as {id} and is not there")
        for row in rows.values():
            self._ended(row)
        for storage, name in ((self.artifacts, "artifact"), (self.checkpoints, "checkpoint")):
            named = {row[name]["key"] for row in rows.values() if row[name] is not None}
            if left := storage.all_keys() - named:
                world.breaks(f"P10: nobody names these {storage.name}: {sorted(left)}")
            if lost := named - storage.all_keys():
                world.breaks(f"P3: these {storage.name} are named and gone: {sorted(lost)}")

    def _ended(self, row: dict[str, Any]) -> None:
        world, id = self._world, row["id"]
        if row["state"] not in FINAL or row["checkpoint"] is not None:
            world.breaks(f"P2: job {id} is {row['state']}, with the checkpoint {row['checkpoint']}")
        events = list(
            self._db.execute("SELECT seq, attempt, type, data FROM job_events WHERE job = ? ORDER BY seq", (id,))
        )
        types = [event["type"] for event in events]
        if [event["seq"] for event in events] != list(range(1, row["event_seq"] + 1)):
            world.breaks(f"P2: the history of job {id} has gaps")
        if [type for type in types if type in FINAL] != [row["state"]] or types[-1] != row["state"]:
            world.breaks(f"P2: job {id} is {row['state']}, and its history ends with {types[-3:]}")
        began = [event["attempt"] for event in events if event["type"] == "running"]
        if began != list(range(1, row["attempt"] + 1)):
            world.breaks(f"P4: job {id} was begun as attempt {began}")
        numbers = [event["attempt"] for event in events]
        if numbers != sorted(numbers):
            world.breaks(f"P4: the attempts of job {id} wrote into each other's history: {numbers}")
        for table, wanted, promise in (
            ("usage", {"succeeded": 1, "failed": 0}.get(row["state"]), "P7"),
            ("deliveries", 0 if row["webhook"] is None else 1, "P6"),
        ):
            (found,) = self._db.execute(f"SELECT count(*) FROM {table} WHERE job = ?", (id,)).fetchone()  # noqa: S608
            if wanted is not None and found != wanted:
                world.breaks(f"{promise}: job {id} is {row['state']} and has {found} rows of {table}")
