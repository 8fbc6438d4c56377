"""What is owed to webhooks: written with the end of the job, leased, fenced, never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from job_cases import MODEL, asked, made

from rushes.contract.delivery import Delivery
from rushes.contract.job import Job, JobError
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.history import Reuse
from rushes.jobs.store import JobStore

HOOK = "https://example.org/hook"
Say = Callable[..., None]


def running(store: JobStore, webhook: str | None = HOOK, owner: str = "me") -> Claim:
    store.add(owner, asked(), webhook=webhook)
    claim = store.claim("worker", [MODEL])
    assert claim is not None
    return claim


def ended(store: JobStore, webhook: str | None = HOOK, owner: str = "me") -> Job:
    return store.finish(running(store, webhook, owner), made())


def taken(store: JobStore) -> Delivery:
    delivery = store.deliveries.claim()
    assert delivery is not None
    return delivery


def end_by_release(store: JobStore, claim: Claim) -> None:
    store.cancel(claim.job.id)
    store.release(claim)


def end_by_rescue(store: JobStore, claim: Claim) -> None:
    store.cancel(claim.job.id)
    store.rescue("worker")


def end_by_crashes(store: JobStore, claim: Claim) -> None:
    for number in range(10):
        store.rescue("worker" if number == 0 else f"worker {number}")
        if store.claim(f"worker {number + 1}", [MODEL]) is None:
            return
    raise AssertionError("it never failed")


ENDS: dict[str, tuple[str, Callable[[JobStore, Claim], object]]] = {
    "finished": ("video.completed", lambda store, claim: store.finish(claim, made())),
    "failed": ("video.failed", lambda store, claim: store.fail(claim, JobError("generation_failed", "no"))),
    "cancelled by its worker": ("video.cancelled", lambda store, claim: store.cancelled(claim)),
    "released after it was given up": ("video.cancelled", end_by_release),
    "given up by its owner, and then by its worker": ("video.cancelled", end_by_rescue),
    "crashed too often": ("video.failed", end_by_crashes),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_job_that_ends_owes_one_message_whichever_way_it_ended(store: JobStore, end: str) -> None:
    event, ending = ENDS[end]
    claim = running(store)
    assert store.deliveries.claim() is None
    ending(store, claim)
    delivery = taken(store)
    assert (delivery.event, delivery.url, delivery.owner, delivery.attempt) == (event, HOOK, "me", 1)
    assert delivery.job.state.final
    assert delivery.job.finished_at is not None
    assert store.deliveries.delivered(delivery, 204)
    assert store.deliveries.claim() is None


def test_a_waiting_job_that_is_cancelled_owes_one_too(store: JobStore) -> None:
    job = store.add("me", asked(), webhook=HOOK)
    store.cancel(job.id)
    assert taken(store).event == "video.cancelled"


def test_so_does_one_that_is_answered_with_a_copy(store: JobStore) -> None:
    first = ended(store, webhook=None)
    again = store.add("me", asked(), webhook=HOOK, reuse=Reuse(first.id, made("copy.mp4")))
    delivery = taken(store)
    assert (delivery.event, delivery.job.id) == ("video.completed", again.id)


def test_a_job_without_a_webhook_owes_nothing(store: JobStore) -> None:
    ended(store, webhook=None)
    assert store.deliveries.claim() is None


def test_a_worker_that_lost_its_claim_owes_nothing(store: JobStore, let_leases_run_out: Callable[[], None]) -> None:
    claim = running(store)
    let_leases_run_out()
    store.rescue()
    with pytest.raises(Lost):
        store.finish(claim, made())
    assert store.deliveries.claim() is None


def test_the_message_says_how_it_ended_and_not_what_was_asked(store: JobStore) -> None:
    job = ended(store)
    told = taken(store).job
    assert told.request.prompt == ""
    assert told.artifact == job.artifact
    assert (told.id, told.secret, told.request.seed) == (job.id, job.secret, job.request.seed)


def test_a_job_that_is_swept_is_still_told_and_one_that_is_deleted_is_not(store: JobStore, say: Say) -> None:
    swept, gone = ended(store), ended(store)
    say("UPDATE jobs SET finished_at = 1 WHERE id = :id", id=swept.id)
    assert [one.id for one in store.prune(3600)] == [swept.id]
    store.delete(gone.id)
    assert taken(store).job.id == swept.id
    say("UPDATE deliveries SET lease_until = 1")
    assert taken(store).job.id == swept.id


def test_a_message_under_way_is_nobody_else_s_until_its_lease_is_over(store: JobStore, say: Say) -> None:
    ended(store)
    first = taken(store)
    assert store.deliveries.claim() is None
    say("UPDATE deliveries SET lease_until = 1")
    second = taken(store)
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.token != first.token


@pytest.mark.parametrize("write", ["delivered", "given_up", "disabled", "again"])
def test_a_try_whose_lease_was_taken_over_writes_nothing(store: JobStore, say: Say, write: str) -> None:
    ended(store)
    stale = taken(store)
    say("UPDATE deliveries SET lease_until = 1")
    fresh = taken(store)
    late: dict[str, Callable[[], bool]] = {
        "delivered": lambda: store.deliveries.delivered(stale, 200),
        "given_up": lambda: store.deliveries.given_up(stale, 500),
        "disabled": lambda: store.deliveries.disabled(stale, 410),
        "again": lambda: store.deliveries.again(stale, 0, 500),
    }
    assert not late[write]()
    assert store.deliveries.claim() is None
    assert store.deliveries.delivered(fresh, 200)
    assert not store.deliveries.delivered(fresh, 200)


def test_a_message_comes_back_when_it_is_due_and_not_before(store: JobStore, say: Say) -> None:
    ended(store)
    first = taken(store)
    assert store.deliveries.again(first, 300, 500)
    assert store.deliveries.claim() is None
    say("UPDATE deliveries SET next_at = next_at - 299")
    assert store.deliveries.claim() is None
    say("UPDATE deliveries SET next_at = next_at - 2")
    second = taken(store)
    assert (second.id, second.attempt) == (first.id, 2)


def test_one_host_at_a_time_for_one_owner_and_nobody_else_waits(store: JobStore) -> None:
    for webhook, owner in (
        ("https://slow.example.org/a", "me"),
        ("https://SLOW.example.org/b?n=1", "me"),
        ("https://slow.example.org:8443/c", "me"),
        ("https://slow.example.org/a", "you"),
        ("https://quick.example.org/a", "me"),
    ):
        ended(store, webhook, owner)
    under_way = [taken(store) for _ in range(4)]
    assert [(one.owner, one.url) for one in under_way] == [
        ("me", "https://slow.example.org/a"),
        ("me", "https://slow.example.org:8443/c"),
        ("you", "https://slow.example.org/a"),
        ("me", "https://quick.example.org/a"),
    ]
    assert store.deliveries.claim() is None
    assert store.deliveries.delivered(under_way[0], 200)
    assert taken(store).url == "https://SLOW.example.org/b?n=1"


def test_an_address_that_is_gone_is_dropped_until_it_is_named_anew(store: JobStore) -> None:
    for webhook in (HOOK, HOOK, "https://example.org/other"):
        ended(store, webhook)
    ended(store, HOOK, owner="you")
    later = running(store)
    store.deliveries.disabled(taken(store), 410)
    for told in (("me", "https://example.org/other"), ("you", HOOK)):
        other = taken(store)
        assert (other.owner, other.url) == told
        store.deliveries.delivered(other, 200)
    store.finish(later, made())  # accepted before the address was gone
    assert store.deliveries.claim() is None
    anew = ended(store)
    assert [taken(store).job.id] == [anew.id]


def test_what_was_told_is_not_kept(store: JobStore, url: str) -> None:
    from sqlalchemy import create_engine, text

    ended(store)
    store.deliveries.delivered(taken(store), 200)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        row: Any = connection.execute(text("SELECT state, body, last_status, token FROM deliveries")).one()
    engine.dispose()
    assert (row.state, row.last_status, row.token) == ("delivered", 200, None)
    assert row.body in ({}, "{}")


def test_many_that_ask_at_once_share_the_messages(store: JobStore) -> None:
    for number in range(12):
        ended(store, f"https://host{number}.example.org/")
    got: list[str] = []

    def ask() -> None:
        while (delivery := store.deliveries.claim()) is not None:
            got.append(delivery.id)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    while (left := store.deliveries.claim()) is not None:  # an asker may have met a row that another was taking
        got.append(left.id)
    assert len(got) == len(set(got)) == 12


def test_every_owner_has_a_secret_of_their_own_made_at_first_use(store: JobStore) -> None:
    (mine,) = store.deliveries.signing_secrets("me")
    assert mine.startswith("whsec_")
    assert store.deliveries.signing_secrets("me") == (mine,)
    assert store.deliveries.signing_secrets("you") != (mine,)


def test_a_replaced_secret_signs_beside_the_new_one_for_a_day(store: JobStore, say: Say) -> None:
    (old,) = store.deliveries.signing_secrets("me")
    new = store.deliveries.replace_secret("me")
    assert store.deliveries.signing_secrets("me") == (new, old)
    say("UPDATE webhook_secrets SET previous_until = previous_until - 86401")
    assert store.deliveries.signing_secrets("me") == (new,)
