"""The published document is true: schemathesis writes requests from it and holds the answers to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from rushes.api.app import create_app
from rushes.api.auth import key_digest
from rushes.api.media_fields import DEPRECATED
from rushes.api.together import FIELDS, OTHER_KEYS
from rushes.catalogue.cards.mini import CARD
from rushes.videos import Videos

KEY = "rushes_a-key-for-the-tests-of-the-document"
MAX_EXAMPLES = 40  # per operation, beside the systematic cases: about ten seconds in all on two idle cores


DIGEST = key_digest(KEY)
HEADERS = {"authorization": f"Bearer {KEY}"}
WITHIN_ANY_MODEL = {"model", "seed", "output_quality"}
LIMITED_BY_MODEL = [*({field.name for field in FIELDS} - WITHIN_ANY_MODEL), *OTHER_KEYS[:2], *DEPRECATED]


class OneKey:
    def owner_of(self, digest: str) -> str | None:
        return "ann" if digest == DIGEST else None


CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {
            "deterministic": True,
            "max-examples": MAX_EXAMPLES,
            "database": "none",
            "allow-extra-parameters": False,  # query parameters nobody knows are ignored, as everywhere on the web
        },
        "checks": {
            # A body that fits the document may still be beyond one model's limits: 400, with the field. Two that share
            # an idempotency key may differ: 422.
            "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404", "413", "416", "422"]},
            "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "413", "415"]},
        },
    }
)
# The document needs no videos behind the door to be drawn.
DOCUMENT = create_app(cast(Videos, None), keys=OneKey()).openapi()
published = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@pytest.fixture(scope="module")
def door(open_door: Callable[..., str]) -> str:
    return open_door(keys=OneKey(), max_body_bytes=1_000_000)


@pytest.fixture(scope="module")
def known_id(door: str) -> str:
    """A video that is there, so that not every answer is a 404."""
    body = {"model": CARD.id, "prompt": "a fox runs"}
    id: str = httpx.post(f"{door}/v2/videos", json=body, headers=HEADERS).json()["id"]
    return id


@pytest.fixture(scope="module")
def ended_id(door: str) -> str:
    """A video whose stream of events has an end."""
    body = {"model": CARD.id, "prompt": "a fox runs"}
    id: str = httpx.post(f"{door}/v2/videos", json=body, headers=HEADERS).json()["id"]
    httpx.post(f"{door}/v2/videos/{id}/cancel", headers=HEADERS)
    return id


@published.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_the_document_promises(case: Any, door: str, known_id: str, ended_id: str) -> None:
    if case.path.endswith("/events"):
        known_id = ended_id
    elif case.method == "DELETE":
        known_id = httpx.post(
            f"{door}/v2/videos", json={"model": CARD.id, "prompt": "a fox runs"}, headers=HEADERS
        ).json()["id"]
    steer(case, known_id)
    response = case.call(base_url=door, headers=HEADERS)
    case.validate_response(response, headers=HEADERS)
    if response.status_code >= 400:
        body = json.loads(response.content)
        assert set(body) == {"id", "error"} and body["id"] == response.headers["x-request-id"][0]
        assert set(body["error"]) == {"message", "type", "param", "code"}


def test_every_event_of_a_stream_is_one_the_document_promises(door: str, ended_id: str) -> None:
    case = published["/v2/videos/{id}/events"]["GET"].Case(path_parameters={"id": ended_id})
    response = case.call(base_url=door, headers=HEADERS)
    assert response.status_code == 200 and b"event: cancelled" in response.content
    case.validate_response(response, headers=HEADERS)


def steer(case: Any, known_id: str) -> None:
    """Lead a random request to where something happens: a model that is here, a video that is here."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = CARD.id
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "id" in case.path_parameters and case.path_parameters["id"] > "5":
        case.path_parameters["id"] = CARD.id if "supported" in case.path else known_id
    if isinstance(body, dict) and len(body) % 2:
        for name in LIMITED_BY_MODEL:
            body.pop(name, None)
        body["prompt"] = "a fox runs"
