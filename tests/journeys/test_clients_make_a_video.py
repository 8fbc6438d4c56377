"""From the first call to the finished file, with every generation of Together's client as it is installed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from generations import HOME, TYPESCRIPT, Client
from served import FAILING, QUICK, Server

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

ENDINGS = {  # of base URLs that each generation turns into a path of its own
    "1.5.35": ("", "/", "/v1", "/v2"),
    "2.42.0": ("", "/", "/v1", "/v2", "/v2/"),
    "3.1.1": ("", "/", "/v1", "/v2"),
    TYPESCRIPT: ("", "/v1", "/v2"),
}


def test_create_answers_with_a_video_under_way(client: Client, server: Server) -> None:
    job = client.returned("videos.create", **QUICK)
    assert UUID.fullmatch(job["id"])
    if client.name != "1.5.35":  # which reads nothing else of this reply
        assert (job["object"], job["status"], job["model"]) == ("video", "in_progress", "test/tiny")
    server.cancel(job["id"])


@pytest.mark.parametrize(("name", "ending"), [(name, ending) for name, all in ENDINGS.items() for ending in all])
def test_every_base_url_that_a_person_may_write_leads_here(
    client_named: Callable[[str], Client], server: Server, name: str, ending: str
) -> None:
    client = client_named(name)
    base_url = server.url + ending
    id = client.returned("videos.create", base_url=base_url, **QUICK)["id"]
    assert client.returned("videos.retrieve", base_url=base_url, id=id)["id"] == id
    server.cancel(id)


def test_the_base_url_and_the_key_may_come_from_the_environment(client: Client, server: Server) -> None:
    there = {"TOGETHER_BASE_URL": server.url + HOME[client.name], "TOGETHER_API_KEY": server.key}
    id = client.returned("videos.create", base_url=None, environment=there, **QUICK)["id"]
    server.cancel(id)


@pytest.mark.parametrize("name", ["2.42.0", "3.1.1"])
def test_strict_clients_find_nothing_amiss_in_any_state(
    client_named: Callable[[str], Client], server: Server, name: str
) -> None:
    client, strictly = client_named(name), {"_strict_response_validation": True}
    running = client.returned("videos.create", options=strictly, **{**QUICK, "prompt": "slow 0.2"})["id"]
    others = [client.returned("videos.create", options=strictly, **body)["id"] for body in (QUICK, FAILING, QUICK)]
    server.until(running, lambda seen: seen["step"] >= 1)
    server.cancel(others.pop())
    for id in (running, *others):
        client.returned("videos.retrieve", options=strictly, id=id)
    statuses = [client.returned("watch", options=strictly, id=id, every_s=0.1)["status"] for id in (running, *others)]
    assert statuses == ["completed", "completed", "failed"]
    client.returned("models.list" if name == "2.42.0" else "models.list_supported", options=strictly)
    client.returned("whoami", options=strictly)


def test_the_client_that_validates_takes_a_video_in_every_state(oldest: Client, server: Server) -> None:
    running = oldest.returned("videos.create", **{**QUICK, "prompt": "slow 0.5", "steps": 50})["id"]
    waiting = oldest.returned("videos.create", **QUICK)["id"]
    failing = oldest.returned("videos.create", **FAILING)["id"]
    server.until(running, lambda seen: seen["step"] >= 1)

    def seen(id: str) -> dict[str, Any]:
        job: dict[str, Any] = oldest.returned("videos.retrieve", id=id)
        return job

    for id in (running, waiting):
        job = seen(id)
        assert (job["status"], job["outputs"], job["error"], job["completed_at"]) == ("in_progress", None, None, None)
    assert (seen(running)["stage"], seen(waiting)["stage"]) == ("denoising", "queued")
    server.cancel(running)
    assert server.ended(running)["error"]["code"] == "cancelled"
    assert seen(running)["status"] == "failed"
    assert seen(running)["outputs"] is None
    server.completed(waiting)
    done = seen(waiting)
    assert (done["status"], done["error"], done["outputs"]["cost"]) == ("completed", None, 0)
    server.ended(failing)
    failed = seen(failing)
    assert (failed["status"], failed["outputs"]) == ("failed", None)
    assert failed["error"]["code"] == "generation_failed"
    assert failed["error"]["message"]


def test_create_takes_less_than_a_second_while_the_worker_is_busy(
    client: Client, server: Server, long_job: str
) -> None:
    client.returned("videos.retrieve", id=long_job)  # opens the connection, as in a program that has begun
    took_s: list[float] = []
    while not took_s or (min(took_s) >= 1 and len(took_s) < 5):  # this machine, too, may have been busy
        answer = client.ask("videos.create", **QUICK)
        assert answer.raised is None
        took_s.append(answer.took_s)
        assert server.video(long_job)["status"] == "in_progress"
        server.cancel(answer.value["id"])
    assert min(took_s) < 1, took_s


def test_togethers_own_loop_ends_for_success_failure_and_a_cancelled_video(client: Client, server: Server) -> None:
    made, failing = (client.returned("videos.create", **body)["id"] for body in (QUICK, FAILING))
    given_up = client.returned("videos.create", **{**QUICK, "prompt": "slow 1"})["id"]
    server.cancel(given_up)
    seen = [client.returned("watch", id=id, every_s=0.05) for id in (made, failing, given_up)]
    assert [job["status"] for job in seen] == ["completed", "failed", "failed"]
    assert [(job["error"] or {}).get("code") for job in seen] == [None, "generation_failed", "cancelled"]
    assert seen[0]["outputs"]["video_url"].startswith(server.url)


def test_times_are_whole_unix_seconds_in_order(client: Client, server: Server) -> None:
    id = client.returned("videos.create", **QUICK)["id"]
    done = client.returned("watch", id=id, every_s=0.05)
    assert done["created_at"] == int(done["created_at"]) and done["completed_at"] == int(done["completed_at"])
    assert 1_700_000_000 < done["created_at"] <= done["completed_at"] < 10_000_000_000


def test_twenty_at_once_are_twenty_jobs_in_the_order_of_their_ids(newest: Client, server: Server) -> None:
    jobs = newest.returned("burst", times=20, body=QUICK)
    ids = [job["id"] for job in jobs]
    assert len(set(ids)) == 20
    created = [job["created_at"] for job in sorted(jobs, key=lambda job: job["id"])]
    assert created == sorted(created)
    server.cancel(*ids)
