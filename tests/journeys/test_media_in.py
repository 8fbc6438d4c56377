"""Pictures and clips sent to the embedded model over HTTP, and how far the film that comes back follows them."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from served import REAL, Server, serving

from rushes.models.mini.adapter import MiniAdapter
from rushes.models.mini.config import PACKAGED_WEIGHTS

pytestmark = pytest.mark.skipif(
    not (PACKAGED_WEIGHTS / "encoder.onnx").exists(), reason="the weights of rushes/mini are not in this checkout"
)

Film = np.ndarray
WIDTH, HEIGHT = 288, 160
ASKED = {
    "model": "rushes/mini",
    "prompt": "a penguin walks in the snow",
    "width": WIDTH,
    "height": HEIGHT,
    "seconds": "2",
    "fps": 24,
    "steps": 10,
    "seed": 7,
    "output_quality": 10,
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder behind an address of this machine, and what was asked for there."""
    folder, asked = tmp_path_factory.mktemp("shelf"), []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, shelf: tuple[Path, str, list[str]]) -> Iterator[Server]:
    port = shelf[1].rpartition(":")[2]
    settings = {"RUSHES_EGRESS_NETWORKS": "127.0.0.0/8", "RUSHES_EGRESS_PORTS": port}
    with serving(REAL, tmp_path_factory.mktemp("installed"), "--serve-as", "all=rushes/mini", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def free(installed: Server) -> tuple[Film, bytes]:
    """A film from words alone, and its file."""
    return made(installed)


def made(server: Server, **changes: Any) -> tuple[Film, bytes]:
    body = {name: value for name, value in {**ASKED, **changes}.items() if value is not None}
    done = server.completed(server.create(**body))
    file = httpx.get(done["outputs"]["video_url"]).content
    return frames_of(file), file


def frames_of(file: bytes) -> Film:
    with av.open(io.BytesIO(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def drawn(sky: str, ground: str, ball: tuple[int, int]) -> Film:
    """A little scene, (HEIGHT, WIDTH, 3)."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), sky)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 100, WIDTH, HEIGHT), ground)
    draw.ellipse((ball[0] - 24, ball[1] - 24, ball[0] + 24, ball[1] + 24), "#d03040")
    return np.asarray(picture)


def png(picture: Film) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def psnr(one: Film, other: Film) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.square(one.astype(float) - other).mean())))


@contextmanager
def best_of(picture: Film) -> Iterator[Film]:
    """What the autoencoder alone makes of a still that fills the grid exactly, at twice the native size."""
    from rushes.media.resize import Resize

    adapter = MiniAdapter()
    small = Resize(WIDTH, HEIGHT, 144, 80, sharpen=False)(picture)
    latent = adapter._encoder.run(frames=np.repeat(small[None], 6, axis=0)[None])
    frame = adapter._decoder.run(latent=latent)[0, 0]
    yield Resize(144, 80, WIDTH, HEIGHT)(frame)


def test_keyframes_are_the_frames_that_they_were_sent_for(installed: Server, free: tuple[Film, bytes]) -> None:
    first = drawn("#80c0f0", "#f0f0f8", (70, 80))
    middle = drawn("#f0b060", "#60a050", (150, 60))
    last = drawn("#203060", "#907050", (230, 90))
    frames = [
        {"input_image": f"data:image/png;base64,{png(first)}", "frame": "first"},
        {"input_image": png(middle), "frame": 26},
        {"input_image": png(last), "frame": "last"},
    ]
    film, _ = made(installed, media={"frame_images": frames})
    for index, picture in ((0, first), (26, middle), (47, last)):
        with best_of(picture) as best:
            assert psnr(film[index], best) > 30, "as good as the autoencoder can"
            assert psnr(film[index], picture) > min(22.0, psnr(best, picture) - 1)
        assert psnr(film[index], picture) > psnr(free[0][index], picture) + 6


def test_a_film_is_continued_from_where_the_clip_ends(
    installed: Server, free: tuple[Film, bytes], shelf: tuple[Path, str, list[str]]
) -> None:
    clip, file = free
    folder, address, asked = shelf
    (folder / "clip.mp4").write_bytes(file)
    film, _ = made(installed, seconds="4", seed=8, media={"frame_videos": [{"video": f"{address}/clip.mp4"}]})
    assert [line for line in asked if line] == ["/clip.mp4"], "fetched once"
    assert len(film) == 96
    assert np.mean([psnr(film[index], clip[index]) for index in range(48)]) > 28, "the clip comes first"
    steps = [psnr(film[index], film[index + 1]) for index in range(95)]
    # Each half second is decoded by itself: the seam is as visible as the others are, and no more.
    others = [steps[index] for index in (11, 23, 35, 59, 71, 83)]
    assert min(steps[46:49]) > min(others) - 3


def test_an_edit_keeps_the_places_of_its_source(installed: Server, free: tuple[Film, bytes]) -> None:
    source, file = free
    asked = {"prompt": "a robot walks on the beach", "seed": 9}
    data_url = f"data:video/mp4;base64,{base64.b64encode(file).decode()}"
    edited, _ = made(installed, **asked, media={"source_video": {"video": data_url}})
    anew, _ = made(installed, **asked)
    assert psnr(edited, source) > psnr(anew, source) + 3
    assert psnr(edited, source) < 35, "something was changed"


def test_a_hosted_id_that_starts_from_a_picture_is_made(installed: Server) -> None:
    still = drawn("#80c0f0", "#f0f0f8", (70, 80))
    asked = {"model": "Wan-AI/wan2.7-i2v", "prompt": "a ball rolls", "resolution": "720P", "seconds": "2", "steps": 10}
    done = installed.completed(installed.create(**asked, media={"frame_images": [png(still)]}))
    film = frames_of(httpx.get(done["outputs"]["video_url"]).content)
    assert film.shape == (60, 720, 1280, 3)
    small = np.asarray(Image.fromarray(film[0]).resize((WIDTH, HEIGHT)))
    assert psnr(small, still) > 20


@pytest.mark.parametrize(
    ("media", "param", "code"),
    [
        ({"frame_images": ["AAAA"]}, "media.frame_images[0]", "unsupported_media_type"),
        ({"frame_images": ["data:image/png;base64,"]}, "media.frame_images[0]", "invalid_value"),
        ({"source_video": png(drawn("red", "green", (9, 9)))}, "media.source_video", "unsupported_media_type"),
        ({"reference_images": ["https://example.org/a", "https://example.org/b"]}, None, "unsupportedParameter"),
        ({"audio_inputs": ["https://example.org/a.wav"]}, "media.audio_inputs", "unsupportedParameter"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_the_queue(
    installed: Server, media: dict[str, Any], param: str | None, code: str
) -> None:
    reply = installed.ask("POST", "/v2/videos", json={**ASKED, "media": media})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, code)
    assert error["param"] == (param or "media.reference_images")


def test_a_damaged_picture_fails_its_job_by_name(installed: Server) -> None:
    broken = base64.b64encode(base64.b64decode(png(drawn("red", "green", (9, 9))))[:80] + bytes(50)).decode()
    seen = installed.ended(installed.create(**{**ASKED, "media": {"frame_images": [broken]}}))
    assert seen["status"] == "failed"
    assert seen["error"]["code"] == "image_undecodable"
    assert "media.frame_images[0]" in seen["error"]["message"]


def test_the_job_says_what_was_done_to_its_inputs(installed: Server) -> None:
    body = {**ASKED, "seconds": "1", "media": {"frame_images": [png(drawn("red", "green", (9, 9))[:, :160])]}}
    del body["prompt"]  # a picture is enough
    done = installed.completed(installed.create(**body))
    assert "which cuts off 44% of the height; the model sees it at 144×80" in str(done)
