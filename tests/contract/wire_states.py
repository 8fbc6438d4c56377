"""One job in each of its states, with every value fixed."""

from __future__ import annotations

from dataclasses import replace

from rushes.contract.artifact import Artifact, Native
from rushes.contract.job import Job, JobError, JobState
from rushes.contract.request import Note, ResolvedRequest

REQUEST = ResolvedRequest(
    model="minimax/Hailuo-02",
    made_by="rushes/mini",
    revision="1",
    prompt="a fox runs through snow",
    negative_prompt="",
    width=1366,
    height=768,
    seconds=2.5,
    fps=24,
    num_frames=60,
    steps=20,
    guidance_scale=13.0,
    seed=7,
    output_format="MP4",
    output_quality=20,
    generate_audio=False,
    metadata={"order": 5},
    notes=(
        Note("warning", "request", "foo: not a field of this API; ignored"),
        Note("default", "seconds", "6 seconds, the model's default"),
        Note("advice", "guidance_scale", "above 12 the motion turns unnatural", "lower it to 6 to 10"),
        Note("made", "model", "minimax/hailuo-02 is not on this server; rushes/mini stands in for it"),
    ),
)

WAITING = Job(
    id="01a203c3-8a41-7439-adef-4a68d65c6c9f",
    owner="local",
    request=REQUEST,
    state=JobState.QUEUED,
    secret="s3cret",
    created_at=1_795_359_476.9,
    waiting_ahead=3,
)
RUNNING = replace(
    WAITING,
    state=JobState.RUNNING,
    started_at=1_795_359_477.2,
    attempt=1,
    stage="denoising",
    step=7,
    steps=20,
    progress=0.349,
)
COMPLETED = replace(
    RUNNING,
    state=JobState.SUCCEEDED,
    finished_at=1_795_359_499.1,
    stage="done",
    step=20,
    progress=1.0,
    artifact=Artifact(
        key="videos/01.mp4",
        content_type="video/mp4",
        size_bytes=123_456,
        sha256="ab" * 32,
        width=1366,
        height=768,
        fps=24,
        num_frames=60,
        has_audio=False,
        native=Native(width=448, height=256, fps=8.0, num_frames=20),
    ),
)
FAILED = replace(
    RUNNING,
    state=JobState.FAILED,
    finished_at=1_795_359_480.0,
    error=JobError("generation_failed", "the worker ended three times while it made this video"),
)
CANCELLED = replace(RUNNING, state=JobState.CANCELLED, finished_at=1_795_359_480.0, cancel_requested=True)

STATES = {"waiting": WAITING, "running": RUNNING, "completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
