"""The host: starts worker programs, starts them again when they end, and ends them with itself."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

from rushes.errors import Unavailable
from rushes.jobs.claims import LEASE_S
from rushes.jobs.store import JobStore

log = logging.getLogger(__name__)

BACK_OFF_S = (0.2, 30.0)
TICK_S = 5.0
GRACE_S = 15.0

NAME_VARIABLE = "RUSHES_WORKER_NAME"
PARENT_VARIABLE = "RUSHES_WITH_PARENT"


class Host:
    """Keeps `count` programs `argv` running while it is started.

    Each child gets `environment`, a name of its own in RUSHES_WORKER_NAME, and RUSHES_WITH_PARENT=1: its standard
    input is a pipe whose end says that this process is gone. A child that ended has its job given back at once, under
    its name; one that is past its lease is killed, since on SQLite it may hold the file's only write lock. One that is
    stopped while it claims holds it, too, under no lease that anybody sees: it is killed after `stopped_s`.

    This process itself writes only where there is something to take back, so that it is hardly ever stopped in a write.
    """

    def __init__(
        self,
        store: JobStore,
        argv: Sequence[str],
        *,
        count: int = 1,
        environment: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
        tick_s: float = TICK_S,
        stopped_s: float = LEASE_S,
    ) -> None:
        self._store = store
        # Chance, since in a container each start of it may have the same process id: a new child under the name of a
        # dead one would be killed for that one's lease.
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._argv = list(argv)
        self._environment = dict(os.environ if environment is None else environment)
        self._grace_s = grace_s
        self._tick_s = tick_s
        self._stopped_s = stopped_s
        self._stopped_since: dict[str, float] = {}
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers = [
            threading.Thread(target=self._keep, args=(slot,), name=f"keeper-{slot}", daemon=True)
            for slot in range(count)
        ]
        self._ticker = threading.Thread(target=self._tick, name="rescue", daemon=True)

    def start(self) -> None:
        """Start the children and return; they are kept from threads of this process."""
        for thread in (*self._keepers, self._ticker):
            thread.start()

    def stop(self) -> None:
        """End the children: asked first, killed after the grace. Returns when none is left."""
        self._stop.set()
        for child in self._running().values():
            child.terminate()
        deadline = time.monotonic() + self._grace_s
        for keeper in self._keepers:
            keeper.join(max(0.0, deadline - time.monotonic()))
        for name, child in self._running().items():
            log.warning("worker %s did not end in %g s; killed", name, self._grace_s)
            child.kill()
        for thread in (*self._keepers, self._ticker):
            thread.join()

    def pids(self) -> tuple[int, ...]:
        """Process ids of the children that run now."""
        return tuple(child.pid for child in self._running().values())

    def _running(self) -> dict[str, subprocess.Popen[bytes]]:
        with self._guard:
            return dict(self._children)

    def _keep(self, slot: int) -> None:
        """Run one child after the other; the pause between them grows while they do not live long."""
        shortest_s, longest_s = BACK_OFF_S
        pause_s, spawned = shortest_s, 0
        while not self._stop.is_set():
            name = f"{self._name}-{slot}-{spawned}"
            born = time.monotonic()
            code = self._run_child(name)
            spawned += 1
            self._give_back(name)
            if self._stop.is_set():
                return
            if time.monotonic() - born > longest_s:
                pause_s = shortest_s
            log.warning("worker %s ended with %s; another starts in %.1f s", name, code, pause_s)
            self._stop.wait(pause_s)
            pause_s = min(pause_s * 2, longest_s)

    def _run_child(self, name: str) -> int | None:
        """Start a child and wait for its end; None where it could not be started."""
        environment = {**self._environment, NAME_VARIABLE: name, PARENT_VARIABLE: "1"}
        with self._guard:
            if self._stop.is_set():
                return None
            try:
                # A session of its own: Ctrl-C in the terminal reaches this process alone, and `stop` ends the children.
                child = subprocess.Popen(  # noqa: S603 - our own argv
                    self._argv, env=environment, stdin=subprocess.PIPE, start_new_session=True
                )
            except OSError as error:
                log.error("no worker could be started: %s", error)
                return None
            self._children[name] = child
        code = child.wait()
        with self._guard:
            del self._children[name]
        if child.stdin is not None:
            child.stdin.close()
        return code

    def _give_back(self, name: str) -> None:
        try:
            for job in self._store.rescue(worker=name):
                log.warning("job %s taken back from %s, which ended: %s", job.id, name, job.state)
        except Unavailable as error:  # its lease will do it
            log.warning("what %s held could not be given back now: %s", name, error.message)
        except Exception:  # a background loop's edge: the keeper must go on
            log.exception("what %s held could not be given back now", name)

    def _tick(self) -> None:
        while not self._stop.wait(self._tick_s * random.uniform(0.8, 1.2)):  # noqa: S311 - jitter
            try:
                self._end_the_stopped()
                overdue = self._store.overdue_workers()
                for name, child in self._running().items():
                    if name in overdue:
                        log.warning("worker %s is past its lease; killed", name)
                        child.kill()
                for job in self._store.rescue() if overdue else ():
                    log.warning("job %s taken back from %s: %s", job.id, job.worker, job.state)
            except Unavailable as error:
                log.warning("no rescue now: %s", error.message)
            except Exception:  # a background loop's edge: the next tick must come
                log.exception("no rescue now")

    def _end_the_stopped(self) -> None:
        """Asks the system and not the database, which may be what a stopped child keeps everybody out of."""
        now = time.monotonic()
        stopped = {name: child for name, child in self._running().items() if _is_stopped(child.pid)}
        self._stopped_since = {name: self._stopped_since.get(name, now) for name in stopped}
        for name, child in stopped.items():
            if now - self._stopped_since[name] > self._stopped_s:
                log.warning("worker %s was stopped for %g s; killed", name, self._stopped_s)
                child.kill()


def _is_stopped(pid: int) -> bool:
    """Whether this child of ours is stopped by a signal now; False where the system cannot say."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # it has ended, and the thread that keeps it has seen so
        return False
