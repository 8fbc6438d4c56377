"""A door that served many requests holds no more than one that served a few."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import httpx

from rushes.api.app import create_app
from rushes.api.auth import key_digest, new_key
from rushes.jobs.store import JobStore
from rushes.videos import Videos

MANY = 120
LEFT_BYTES_EACH = 300  # of one request; a reply that stays would be two thousand


def test_what_a_request_takes_is_given_back(videos: Videos, store: JobStore) -> None:
    key = new_key()
    store.keys.add(key_digest(key), "ann")
    app = create_app(videos, keys=store.keys)
    body = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}

    async def asked() -> int:
        transport = httpx.ASGITransport(app)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers) as client:

            async def some(count: int) -> None:
                for number in range(count):
                    if number % 10 == 0:
                        made = await client.post("/v2/videos", json=body)
                        assert made.status_code == 200
                        id = made.json()["id"]
                    path = ("/v2/videos?limit=2", "/v2/videos/unknown", "/nowhere")[number % 3]
                    assert (await client.get(path)).status_code in (200, 404)
                    assert (await client.get(f"/v2/videos/{id}")).status_code == 200

            await some(30)  # what is made once is made now
            gc.collect()
            tracemalloc.start()
            await some(20)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await some(MANY)
            gc.collect()
            after = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            return after - before

    left = asyncio.run(asked())
    assert left < 2 * MANY * LEFT_BYTES_EACH, f"{left:,} bytes stayed of {2 * MANY} requests"
