"""A real Together client for Python at the end of a pipe: one request per line in, one answer per line out.

Run by the client's own interpreter, of any generation; imports nothing of ours. A request is a JSON object:
`call` ("videos.create", …) with `arguments`, on a client made with `options`. `environment` is set before the client
is made. An answer holds `value` or `raised`, and `took_s`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import together

clients: dict[str, Any] = {}


def client_of(options: dict[str, Any], environment: dict[str, str]) -> Any:
    key = json.dumps([options, environment], sort_keys=True)
    if key not in clients:
        os.environ.update(environment)
        clients[key] = together.Together(**options)
        for name in environment:
            del os.environ[name]
    return clients[key]


def perform(client: Any, call: str, arguments: dict[str, Any]) -> Any:
    if call == "watch":
        return watch(client, **arguments)
    if call == "burst":
        return asyncio.run(burst(client, **arguments))
    if call == "send":
        return send(client, **arguments)
    if call == "create_raw":
        raw = client.videos.with_raw_response.create(**arguments)
        return {"status": raw.http_response.status_code, "headers": dict(raw.headers), "video": raw.parse()}
    method = client
    for name in call.split("."):
        method = getattr(method, name)
    found = method(**arguments)
    return list(found) if hasattr(found, "iter_pages") else found  # a pager asks for page after page


def watch(client: Any, id: str, every_s: float) -> Any:
    """Together's own loop, word for word but for the pause: it knows two ways to end and no other."""
    while True:
        status = client.videos.retrieve(id)
        if status.status == "completed":  # noqa: SIM114 - as it stands there
            return status
        elif status.status == "failed":
            return status
        time.sleep(every_s)


async def burst(client: Any, times: int, body: dict[str, Any]) -> Any:
    async with together.AsyncTogether(api_key=client.api_key, base_url=client.base_url) as awaited:
        return await asyncio.gather(*(awaited.videos.create(**body) for _ in range(times)))


def send(client: Any, verb: str, path: str, text: str, content_type: str) -> Any:
    """Something no method of the client sends, with the client's own reading of the reply."""
    if hasattr(client, "post"):
        headers = {"Content-Type": content_type}
        return client.request(
            object, together._models.FinalRequestOptions(method=verb, url=path, content=text.encode(), headers=headers)
        )
    from together.abstract.api_requestor import APIRequestor
    from together.types import TogetherRequest

    held = client.client
    headers = {"Content-Type": content_type, "Authorization": f"Bearer {held.api_key}"}
    # Its own check of `params` would not let bytes through; what is tested is how it reads the reply.
    request = TogetherRequest.model_construct(
        method=verb, url=path.lstrip("/"), params=text.encode(), headers=headers, override_headers=True
    )
    return APIRequestor(client=held).request(options=request, stream=False)[0].data


def plain(value: Any) -> Any:
    """`value` as JSON can carry it, as the client understood it rather than as it came."""
    if hasattr(value, "to_dict"):
        return value.to_dict(mode="json")
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def told(error: Exception) -> dict[str, Any]:
    """What a program can learn from `error`: the members differ from generation to generation."""
    body = getattr(error, "body", None)
    if hasattr(error, "api_response"):
        body = {"error": error.api_response.model_dump(by_alias=True)}
    response = getattr(error, "response", None)
    headers = getattr(error, "headers", None) if response is None else response.headers
    return {
        "kind": type(error).__name__,
        "status": getattr(error, "status_code", None) or getattr(error, "http_status", None),
        "body": body,
        "headers": {name.lower(): value for name, value in dict(headers or {}).items()},
        "text": str(error),
    }


for line in sys.stdin:
    asked = json.loads(line)
    client = client_of(asked["options"], asked["environment"])
    began = time.perf_counter()
    try:
        found = perform(client, asked["call"], asked["arguments"])
        answer, took_s = {"value": plain(found)}, time.perf_counter() - began
    except Exception as error:  # whatever the client throws is the answer
        answer, took_s = {"raised": told(error)}, time.perf_counter() - began
    print(json.dumps({**answer, "took_s": took_s}), flush=True)
