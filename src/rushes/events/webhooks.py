"""Tells webhooks that their videos have ended, as Standard Webhooks 1.0.0 has it, until they have heard.

What is owed lies in the database (`jobs/deliveries`), so a restart loses nothing. Here it is signed and sent, and the
answer read: 2xx is heard, 410 ends it, anything else is tried again by the specification's own schedule.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from rushes.contract.delivery import Delivery
from rushes.contract.job import Job
from rushes.egress.policy import EgressPolicy, NotReached
from rushes.egress.post import Answered, post
from rushes.errors import Unavailable
from rushes.failpoints import failpoint

log = logging.getLogger(__name__)

AFTER_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after each try the next one comes: ten tries in three days, the schedule of the specification."""

JITTER = 0.1  # many messages that failed together do not come back together
TRY_S = 15.0  # for one call altogether
LONGEST_WAIT_S = 86_400.0  # whatever a receiver asks for

THREADS = 4
POLL_S = (0.5, 1.0)


class Owed(Protocol):
    """Where messages are kept: `JobStore.deliveries`."""

    def claim(self) -> Delivery | None: ...
    def delivered(self, delivery: Delivery, status: int) -> bool: ...
    def again(self, delivery: Delivery, after_s: float, status: int | None) -> bool: ...
    def given_up(self, delivery: Delivery, status: int | None) -> bool: ...
    def disabled(self, delivery: Delivery, status: int) -> bool: ...
    def signing_secrets(self, owner: str) -> tuple[str, ...]: ...


class Webhooks:
    """Calls the webhooks of one database from a few threads, while it is started.

    `describe`  the job object as the API shows it.
    Any number may run on one database: each try is leased.
    """

    def __init__(
        self,
        owed: Owed,
        describe: Callable[[Job], dict[str, Any]],
        policy: EgressPolicy,
        *,
        threads: int = THREADS,
        try_s: float = TRY_S,
        poll_s: tuple[float, float] = POLL_S,
    ) -> None:
        self._owed = owed
        self._describe = describe
        self._policy = policy
        self._try_s = try_s
        self._poll_s = poll_s
        self._stop = threading.Event()
        # Daemons: whoever is waiting for a slow receiver when we end is left to its lease.
        self._threads = [
            threading.Thread(target=self._run, name=f"webhooks-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, within_s: float = 3.0) -> None:
        """Begin no more calls, and give those under way a moment to end. What is cut off is told again, same id."""
        self._stop.set()
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def tell_next(self) -> bool:
        """Tell the message that is due longest; False when none is due."""
        delivery = self._owed.claim()
        if delivery is None:
            return False
        try:
            self._tell(delivery)
        except Unavailable:
            raise
        except Exception:  # a fault of ours counts as a try: it must not come back every minute for ever
            log.exception("webhook %s was not called", delivery.id)
            self._mark(delivery, None, "a fault of this server")
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            told = False
            try:
                told = self.tell_next()
            except Unavailable as error:
                log.warning("no webhook is called now: %s", error.message)
            except Exception:  # a background loop's edge: the next message must still go out
                log.exception("a webhook was not called")
            if not told:
                self._stop.wait(random.uniform(*self._poll_s))  # noqa: S311 - jitter

    def _tell(self, delivery: Delivery) -> None:
        body = message(delivery, self._describe(delivery.job))
        headers = signed_headers(delivery.id, int(time.time()), body, self._owed.signing_secrets(delivery.owner))
        answer: Answered | None = None
        try:
            answer = post(delivery.url, body, headers, deadline_s=self._try_s, policy=self._policy)
            said = f"status {answer.status}"
        except NotReached as refusal:
            said = refusal.reason
        failpoint("told")
        self._mark(delivery, answer, said)

    def _mark(self, delivery: Delivery, answer: Answered | None, said: str) -> None:
        status = None if answer is None else answer.status
        # Neither the address nor the job's content is logged: both are the owner's own.
        name = f"webhook {delivery.id}, try {delivery.attempt}"
        if answer is not None and 200 <= answer.status < 300:
            self._owed.delivered(delivery, answer.status)
            log.info("%s: delivered", name)
        elif answer is not None and answer.status == 410:
            self._owed.disabled(delivery, answer.status)
            log.warning("%s: the receiver is gone; what else waits for it is dropped", name)
        elif (after_s := wait_s(delivery.attempt, answer)) is None:
            self._owed.given_up(delivery, status)
            log.warning("%s: %s; given up", name, said)
        else:
            self._owed.again(delivery, after_s, status)
            log.warning("%s: %s; again in %.0f s", name, said, after_s)


def message(delivery: Delivery, job: dict[str, Any]) -> bytes:
    """The body: what happened, when, and the job object."""
    ended = datetime.fromtimestamp(delivery.job.finished_at or 0, UTC).isoformat(timespec="milliseconds")
    content = {"type": delivery.event, "timestamp": ended.replace("+00:00", "Z"), "data": job}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(id: str, at: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature for each of `secrets`. `at` is in Unix seconds."""
    content = f"{id}.{at}.".encode() + body
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode("ascii")


def wait_s(attempt: int, answer: Answered | None) -> float | None:
    """Seconds until the try after number `attempt`; None when that was the last one.

    A receiver may ask for more time with Retry-After, for a day at most, but not for less.
    """
    if attempt > len(AFTER_S):
        return None
    planned = AFTER_S[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter
    asked = None if answer is None else retry_after_s(answer.retry_after)
    return planned if asked is None else max(planned, min(asked, LONGEST_WAIT_S))


def retry_after_s(header: str | None) -> float | None:
    """A Retry-After header in seconds from now: a number, or a date. None where it is neither."""
    if not header:
        return None
    if header.isascii() and header.isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, at.replace(tzinfo=at.tzinfo or UTC).timestamp() - time.time())
