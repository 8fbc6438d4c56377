"""The Together client for Python, pointed at this server. Only the base URL differs from the hosted service.

    pip install "together>=3"
    export TOGETHER_API_KEY=…          # the key that `rushes serve` printed
    python examples/together_python.py

Client 3.x wants http://127.0.0.1:8000, client 2.x wants http://127.0.0.1:8000/v2, client 1.5 takes either.
"""

import os
import time
from pathlib import Path

import httpx
from together import Together

client = Together(base_url=os.environ.get("TOGETHER_BASE_URL", "http://127.0.0.1:8000"))

job = client.videos.create(
    model="rushes/mini",
    prompt="A penguin waddles across the snow while the camera slowly pans left",
    seconds="2",
    steps=20,
    seed=7,
)
print("job", job.id)

while job.status not in ("completed", "failed"):
    time.sleep(1)
    job = client.videos.retrieve(job.id)
    print(job.status, f"{job.progress} %")

if job.status == "failed":
    raise SystemExit(f"{job.error.code}: {job.error.message}")

Path("penguin.mp4").write_bytes(httpx.get(job.outputs.video_url).content)  # the file needs no key
print("penguin.mp4")
