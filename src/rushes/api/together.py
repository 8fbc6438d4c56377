"""Together's wire body → `VideoRequest`, and `Job` → Together's job object.

Old spellings, string seconds and upper or lower case are folded in here and nowhere else. What a field may
hold on a given model is the card's business (`catalogue/resolve`). Sources: Together's parameter page, its
OpenAPI document and the request logs of its four client generations.
"""

from __future__ import annotations

import math
from typing import Any

from rushes.api.body import described, parse_object
from rushes.api.fields import Boolean, Field, Integer, Loras, Number, Seconds, Text, Word, required
from rushes.api.media_fields import DEPRECATED, parse_media
from rushes.api.remarks import Remarks
from rushes.api.replies import Made, Native, NoteReply, Outputs, Remark, Status, VideoError, VideoReply
from rushes.contract.job import Job, JobState
from rushes.contract.request import QUALITIES, Note, VideoRequest
from rushes.errors import InvalidValue

MAX_PROMPT_CHARS = 32_000

PER_MODEL = "Each model's own range is under `limits` in the models list."

FIELDS = (
    Field("model", Text(256, min_chars=1), "Id of the model, in any letter case."),
    Field("prompt", Text(MAX_PROMPT_CHARS, min_chars=1), f"What the video shows. {PER_MODEL}"),
    Field(
        "negative_prompt",
        Text(MAX_PROMPT_CHARS, empty_is_absent=True),
        "What to keep out of the video. Not every model takes one.",
    ),
    Field("width", Integer(documented={"minimum": 1}), f"Width in pixels; goes with height. {PER_MODEL}"),
    Field("height", Integer(documented={"minimum": 1}), f"Height in pixels; goes with width. {PER_MODEL}"),
    Field("resolution", Text(16, min_chars=1, upper=True), "A tier such as 720P, in place of width and height."),
    Field("ratio", Text(16, min_chars=1), "Aspect ratio such as 16:9; goes with resolution."),
    Field("seconds", Seconds(), f"Length of the clip; a string or a number. {PER_MODEL}"),
    Field("fps", Integer(documented={"minimum": 1}), f"Frames per second. {PER_MODEL}"),
    Field("steps", Integer(documented={"minimum": 1}), f"Denoising steps; 10 to 50 on most models. {PER_MODEL}"),
    Field(
        "guidance_scale",
        Number(documented={"exclusiveMinimum": 0}),
        f"How closely to follow the prompt; 6 to 10 is usual. {PER_MODEL}",
    ),
    Field(
        "seed",
        Integer(low=0, high=2**31 - 1),
        "Same seed and request, same video. Drawn where absent.",
    ),
    Field("output_format", Text(16, min_chars=1, upper=True), "MP4 or WEBM, in any letter case."),
    Field("output_quality", Integer(low=0, high=51), "Compression; higher gives a smaller file. 20 by default."),
    Field("generate_audio", Boolean(), "Sound with the picture, on models that make it. False by default."),
    Field(
        "quality",
        Word(QUALITIES),
        "What may be traded for time: exact (nothing), high (other roundings), fast (other numbers). Exact by default; "
        "which ones a model offers is under `limits` in the models list. Ours alone.",
    ),
    Field(
        "loras",
        Loras(),
        "Changes of the model's weights that this server has by name, each with its weight (1 by default); which ones "
        "is under `limits` in the models list. Ours alone.",
    ),
    Field(
        "reuse",
        Boolean(),
        "Answer with a finished copy where you have made the very same video before; needs a seed. False by default.",
    ),
    Field(
        "webhook_url",
        Text(2048, min_chars=1),
        "An https address that is called, signed as Standard Webhooks has it, when the video has ended. Ours alone.",
    ),
)
OTHER_KEYS = ("media", "settings", "metadata", *DEPRECATED)


def parse_request(raw: bytes, *, strict: bool = False) -> VideoRequest:
    """The body of `POST …/videos` as a `VideoRequest`. Null counts as absent on every field.

    Unknown keys become warnings of the request, or with `strict` an `UnknownField`. Raises `Refused`.
    """
    body = parse_object(raw)
    remarks = Remarks(strict)
    values = {one.name: one.read(body) for one in FIELDS}
    values["model"] = required(values["model"], "model", "GET /v1/models lists what is here")
    values["generate_audio"] = _fold_settings(body.get("settings"), values["generate_audio"], remarks)
    media = parse_media(body, remarks)
    metadata = _metadata(body.get("metadata"))
    known = {one.name for one in FIELDS}.union(OTHER_KEYS)
    remarks.unknown("", (key for key in body if key not in known))
    return VideoRequest(**values, media=media, metadata=metadata, warnings=remarks.said())


def _fold_settings(settings: Any, generate_audio: bool | None, remarks: Remarks) -> bool | None:
    """`settings.audio` is Seedance's spelling of generate_audio."""
    if settings is None:
        return generate_audio
    if not isinstance(settings, dict):
        raise InvalidValue(field="settings", given=described(settings), allowed="an object")
    remarks.unknown("settings", (key for key in settings if key != "audio"))
    audio = settings.get("audio")
    if audio is None:
        return generate_audio
    asked = Boolean().parse(audio, "settings.audio")
    if generate_audio is not None and generate_audio != asked:
        both = f"{described(asked)} while generate_audio is {described(generate_audio)}"
        raise InvalidValue(field="settings.audio", given=both, allowed="the same value, or one of the two alone")
    return asked


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidValue(field="metadata", given=described(value), allowed="an object")
    return value


def video_reply(job: Job, video_url: str, time_left_s: float | None = None) -> VideoReply:
    """`job` as every generation of client can read it.

    Waiting shows as in_progress and cancelled as failed: the official polling loops know three states only and
    would spin for ever on any other. Times are whole Unix seconds and cost is the integer 0, because the oldest
    client and the strict mode of the newest refuse anything else.
    """
    request = job.request
    return VideoReply(
        id=job.id,
        model=request.model,
        status=_status(job.state),
        created_at=int(job.created_at),
        completed_at=int(job.finished_at) if job.state.final and job.finished_at is not None else None,
        size=f"{request.width}x{request.height}",
        seconds=seconds_text(request.seconds),
        outputs=Outputs(cost=0, video_url=video_url) if job.state is JobState.SUCCEEDED else None,
        error=_error(job),
        progress=100 if job.state is JobState.SUCCEEDED else percent(job.progress),
        stage="paused" if job.held and job.state is JobState.QUEUED else job.stage,
        queue_position=job.waiting_ahead if job.state is JobState.QUEUED else None,
        # The worker counts only once it has begun, and in frames once it decodes.
        step=request.steps if job.state is JobState.SUCCEEDED else job.step,
        steps=request.steps if job.state is JobState.SUCCEEDED else job.steps or request.steps,
        time_left_s=None if time_left_s is None else math.ceil(time_left_s),
        fps=request.fps,
        seed=request.seed,
        made_by=request.made_by,
        reused=job.reuse_of,
        made=_made(job),
        warnings=[Remark(message=note.message) for note in _notes(job, "warning")],
        advice=_notes(job, "advice"),
        defaults=_notes(job, "default"),
        metadata=dict(request.metadata),
    )


def percent(fraction: float) -> int:
    """0.349 → 34. Only the finished file itself is a hundred."""
    return min(99, max(0, int(fraction * 100)))


def seconds_text(seconds: float) -> str:
    """6.0 → "6", 2.5 → "2.5": the string that was sent, or would have been."""
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)


def _status(state: JobState) -> Status:
    if state is JobState.SUCCEEDED:
        return "completed"
    return "failed" if state.final else "in_progress"


def _error(job: Job) -> VideoError | None:
    if job.state is JobState.CANCELLED:
        return VideoError(code="cancelled", message="the video was cancelled before it was finished")
    if job.state is not JobState.FAILED:
        return None
    if job.error is None:
        return VideoError(code="generation_failed", message="the video could not be made")
    return VideoError(code=job.error.code, message=job.error.message)


def _made(job: Job) -> Made | None:
    artifact = job.artifact
    if job.state is not JobState.SUCCEEDED or artifact is None:
        return None
    native = artifact.native
    return Made(
        native=Native(width=native.width, height=native.height, fps=native.fps, num_frames=native.num_frames),
        changes=[*_notes(job, "made"), *(_note_reply(note) for note in artifact.changes())],
        width=artifact.width,
        height=artifact.height,
        fps=artifact.fps,
        num_frames=artifact.num_frames,
        has_audio=artifact.has_audio,
        content_type=artifact.content_type,
        size_bytes=artifact.size_bytes,
        sha256=artifact.sha256,
    )


def _notes(job: Job, kind: str) -> list[NoteReply]:
    return [_note_reply(note) for note in job.request.notes if note.kind == kind]


def _note_reply(note: Note) -> NoteReply:
    return NoteReply(field=note.field, message=note.message, suggestion=note.suggestion)
