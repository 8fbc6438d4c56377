"""The published document: the request body drawn from the parser's own table, the failures of each route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from rushes.api.media_fields import AUDIO_KEYS, CLIP_KEYS, FRAME
from rushes.api.replies import FailureReply
from rushes.api.together import FIELDS

WHEN = {
    400: "The request cannot be honoured as written; `param` names the field.",
    401: "No key, or none that is known here.",
    404: "No such video, model or file; somebody else's counts as none.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    416: "The file has no such bytes.",
    422: "This idempotency key was used with another body.",
    429: "The queue is full; retry after the seconds in retry-after.",
    503: "The server cannot take this now; retry after the seconds in retry-after.",
}

Schema = dict[str, Any]


def failures(*statuses: int) -> dict[int | str, Schema]:
    """Responses of a route for these statuses, and the same envelope for any other failure."""
    replies: dict[int | str, Schema] = {
        status: {"model": FailureReply, "description": WHEN[status]} for status in statuses
    }
    return {**replies, "default": {"model": FailureReply, "description": "Any other failure."}}


def _nullable(schema: Schema, about: str) -> Schema:
    return {"description": about, "anyOf": [schema, {"type": "null"}]}


SOURCE: Schema = {
    "type": "string",
    "description": "An http(s) URL, a data URL in base64, or plain base64.",
    "anyOf": [
        {"pattern": r"^https?://[A-Za-z0-9][A-Za-z0-9.-]{0,200}(/[A-Za-z0-9._~/-]{0,1000})?$"},
        {"pattern": r"^data:[a-z]{1,20}/[a-z0-9.+-]{1,40};base64,([A-Za-z0-9+/]{4})+$"},
        {"pattern": r"^([A-Za-z0-9+/]{4})+$"},
    ],
}


def _holder(keys: tuple[str, ...], more: Schema | None = None) -> Schema:
    """A source by itself, or an object with it under one of `keys`."""
    objects = [{"type": "object", "required": [key], "properties": {key: SOURCE, **(more or {})}} for key in keys]
    return {"anyOf": [SOURCE, *objects]}


def _media_schema() -> Schema:
    frame = {"anyOf": [{"enum": ["first", "last"]}, {"type": "integer", "minimum": 0, "maximum": 10**6}]}
    frames = _holder(("input_image",), {"frame": _nullable(frame, FRAME)})
    clips, sounds = _holder(CLIP_KEYS), _holder(AUDIO_KEYS)
    arrays = {
        "frame_images": (frames, "Keyframes. One: the first; two: first and last; more: spread evenly, unless told."),
        "frame_videos": (clips, "A clip to continue."),
        "reference_images": (SOURCE, "What people and things should look like."),
        "reference_videos": (clips, "What people and things should look and move like."),
        "audio_inputs": (sounds, "Sound to follow: WAV or MP3."),
    }
    members = {name: _nullable({"type": "array", "items": item}, about) for name, (item, about) in arrays.items()}
    members["source_video"] = _nullable(clips, "The clip to edit.")
    return {"type": "object", "properties": members, "additionalProperties": False}


def _body_schema() -> Schema:
    media = _media_schema()
    properties = {field.name: field.schema() for field in FIELDS}
    properties["model"] = {**FIELDS[0].kind.schema(), "description": FIELDS[0].about}
    properties["media"] = _nullable(media, "Images, clips and sound; a model's `limits` say which it takes.")
    properties["settings"] = _nullable(
        {"type": "object", "properties": {"audio": _nullable({"type": "boolean"}, "The same as generate_audio.")}},
        "Another spelling of generate_audio.",
    )
    properties["metadata"] = _nullable({"type": "object"}, "Yours; comes back with the job. At most 65,536 characters.")
    for name in ("frame_images", "reference_images"):
        properties[name] = {**media["properties"][name], "deprecated": True}
    return {
        "type": "object",
        "title": "VideoRequest",
        "description": "Null is the same as absent on every field but model. Unknown keys are listed in `warnings`.",
        "required": ["model"],
        "properties": properties,
    }


CREATE_BODY: Schema = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _body_schema()}}},
}


def publish(app: FastAPI, *, has_keys: bool) -> None:
    """Let `app` draw its document once, without what is not true of it."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            if not has_keys:
                _forget_keys(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _forget_keys(schema: Schema) -> None:
    schema.get("components", {}).pop("securitySchemes", None)
    for path in schema["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
