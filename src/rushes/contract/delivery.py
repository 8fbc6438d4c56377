"""A message owed to a webhook."""

from __future__ import annotations

from dataclasses import dataclass

from rushes.contract.job import Job


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try to tell `url` that `job` has ended.

    `id`       of the message: the same at every try, so that a receiver can know it again
    `event`    "video.completed", "video.failed" or "video.cancelled"
    `job`      as it ended, without its prompt
    `attempt`  counts the tries, this one included
    `token`    proves the right to this try in every later write
    """

    id: str
    owner: str
    url: str
    event: str
    job: Job
    attempt: int
    token: str
