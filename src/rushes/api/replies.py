"""The replies of the HTTP door, field by field; the published document is drawn from these classes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Status = Literal["in_progress", "completed", "failed"]


class Outputs(BaseModel):
    cost: int = Field(description="Always 0: this server charges nothing.")
    video_url: str = Field(description="Absolute address of the file. Needs no key; knows Range and HEAD.")


class VideoError(BaseModel):
    message: str
    code: str


class Remark(BaseModel):
    message: str


class NoteReply(BaseModel):
    field: str
    message: str
    suggestion: str | None


class Native(BaseModel):
    width: int
    height: int
    fps: float
    num_frames: int


class Made(BaseModel):
    native: Native = Field(description="What the model itself made, before resizing and retiming.")
    changes: list[NoteReply] = Field(
        description="What was done to it to give the asked size and rate, and what stood in for what."
    )
    width: int
    height: int
    fps: int
    num_frames: int
    has_audio: bool
    content_type: str
    size_bytes: int
    sha256: str


class VideoReply(BaseModel):
    """A video job. The first ten fields are Together's; the rest are ours and may be ignored."""

    id: str
    object: Literal["video"] = "video"
    model: str = Field(description="The id that was asked for.")
    status: Status
    created_at: int = Field(description="Unix seconds.")
    completed_at: int | None = Field(description="Unix seconds; null until the job has ended.")
    size: str = Field(description="WIDTHxHEIGHT in pixels.")
    seconds: str
    outputs: Outputs | None = Field(description="Null unless completed.")
    error: VideoError | None = Field(description="Null unless failed; a cancelled job has the code `cancelled`.")
    progress: int = Field(ge=0, le=100, description="Percent.")
    stage: str = Field(description="queued, paused, loading, encoding, denoising, decoding, storing or done.")
    queue_position: int | None = Field(
        description="How many waiting videos go before this one, beyond 200 as of a second ago; null unless it waits."
    )
    step: int
    steps: int
    time_left_s: int | None = Field(
        description="Seconds until it is done, by what such videos took here before; null where nothing is known."
    )
    fps: int
    seed: int
    made_by: str = Field(description="The model that makes it; differs from `model` where the operator mapped the id.")
    reused: str | None = Field(description="Id of the earlier video whose file this is; null where it was made anew.")
    made: Made | None = Field(description="Facts of the finished file; null unless completed.")
    warnings: list[Remark] = Field(description="What of the request was ignored or is deprecated.")
    advice: list[NoteReply] = Field(description="What may give a better video.")
    defaults: list[NoteReply] = Field(description="Values that were not asked for, and what they became.")
    metadata: dict[str, Any] = Field(description="As sent.")


class VideoList(BaseModel):
    """A page of videos. `next_cursor` says it all; the rest is what clients of OpenAI's videos API page by."""

    object: Literal["list"] = "list"
    data: list[VideoReply]
    next_cursor: str | None = Field(description="What to send as `after` for the next page; null on the last.")
    first_id: str | None
    last_id: str | None
    has_more: bool
    warnings: list[Remark] = Field(description="Query parameters that nobody knows here.")


class VideoDeleted(BaseModel):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class Failure(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class FailureReply(BaseModel):
    """The body of every reply that is not a success."""

    id: str = Field(description="Id of this request, as in the x-request-id header.")
    error: Failure


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    version: str


class Pricing(BaseModel):
    hourly: float = 0
    input: float = 0
    output: float = 0
    base: float = 0
    finetune: float = 0


class ModelRow(BaseModel):
    """One row of the models list that clients of the first and second generation read."""

    id: str
    object: Literal["model"] = "model"
    created: int
    type: Literal["video"] = "video"
    display_name: str
    organization: str
    link: str | None = None
    license: str
    context_length: int | None = None
    pricing: Pricing = Pricing()
    made_by: str = Field(description="The model behind this id; differs where the operator mapped it.")
    revision: str
    description: str
    limits: dict[str, Any] = Field(description="What this model takes: ranges, defaults and allowed values.")
    unmakeable: str | None = Field(description="Why no request for this id can be made here; null where some can.")


class SupportedModel(BaseModel):
    """One row of the list that clients of the third generation read. Spelled as they spell it."""

    id: str
    name: str
    displayName: str
    displayType: Literal["video"] = "video"
    description: str
    capabilities: list[str] = ["CAPABILITY_VIDEO_GENERATION"]
    inputModalities: list[str]
    outputModalities: list[str]
    products: list[str] = ["PRODUCT_SERVERLESS"]
    publisher: str
    status: Literal["SUPPORTED_MODEL_STATUS_SUPPORTED"] = "SUPPORTED_MODEL_STATUS_SUPPORTED"
    createdAt: str = Field(json_schema_extra={"format": "date-time"})
    updatedAt: str = Field(json_schema_extra={"format": "date-time"})
    baseModel: str = ""
    baseModelId: str = ""
    deploymentProfiles: list[dict[str, Any]] = []
    limits: dict[str, Any]
    unmakeable: str | None = Field(description="Why no request for this id can be made here; null where some can.")


class SupportedModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[SupportedModel]
    next_cursor: str | None


class ProjectModels(BaseModel):
    """A project's own models. There are none: nothing is uploaded to this server."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]] = []
    next_cursor: str | None = None


class Named(BaseModel):
    id: str
    name: str


class KeyName(BaseModel):
    id: str


class WhoAmI(BaseModel):
    """Whose key this is: as the newest client tells keys apart, by `type`, and flat as the one before reads it."""

    type: Literal["org_api_key"] = "org_api_key"
    api_key: KeyName
    organization: Named
    api_key_id: str
    organization_id: str
    organization_name: str
    project_id: str
    project_name: str
    project_slug: str
    user_id: str | None = None
