"""Pictures and clips sent to the embedded model over HTTP, and how far the film that comes back follows them."""

from __future__ import annotations

import base64
import io
import threading
import wave
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
SPRITES = Path(__file__).parents[2] / "training" / "data" / "sprites"
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


def sprites(name: str) -> Film:
    """Somebody of the model's world on a plain ground, once through its loop: (T, 2 · side, 2 · side, 3)."""
    with Image.open(SPRITES / f"{name}.webp") as strip:
        side, frames = strip.height, []
        for left in range(0, strip.width, side):
            picture = Image.new("RGBA", (2 * side, 2 * side), "#d8d8e0")
            one = strip.convert("RGBA").crop((left, 0, left + side, side))
            picture.alpha_composite(one.resize((2 * side, 2 * side)))
            frames.append(np.asarray(picture.convert("RGB")))
    return np.stack(frames)


def mp4(frames: Film) -> str:
    """Twelve frames a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", 12, options={"threads": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return base64.b64encode(file.getvalue()).decode()


def warmth(film: Film) -> float:
    """How much of a film is orange, as the cat is and the fish is not."""
    red, blue = (film[..., channel].astype(int) for channel in (0, 2))
    return float((red - blue > 60).mean())


def test_a_reference_says_who_it_is_where_the_words_do_not(installed: Server) -> None:
    asked = {"prompt": "a character stands in the snow", "steps": 20}
    cat, fish = (
        made(installed, **asked, media={"reference_images": [png(sprites(name)[0])]})[0] for name in ("cat", "fish")
    )
    assert warmth(cat) > 2 * warmth(fish) + 0.01, "the cat is orange, the fish blue"
    film, _ = made(installed, prompt=None, steps=20, media={"reference_images": [png(sprites("cat")[0])]})
    assert film.shape[0] == 48, "a lone reference needs no words"


def test_a_moving_reference_says_it_too(installed: Server) -> None:
    asked = {"prompt": "a character stands in the snow", "steps": 20}
    cat, fish = (
        made(installed, **asked, media={"reference_videos": [{"video": mp4(sprites(name))}]})[0]
        for name in ("cat", "fish")
    )
    assert warmth(cat) > 2 * warmth(fish) + 0.01


def test_a_film_asked_for_with_sound_sounds_like_its_place(installed: Server, free: tuple[Film, bytes]) -> None:
    heard = {}
    for place in ("underwater", "on the beach"):
        _, file = made(installed, prompt=f"a penguin stands {place}", steps=20, generate_audio=True)
        heard[place] = sound_of(file)
        assert abs(len(heard[place]) - 2 * 48_000) < 4_096
        assert 0.002 < heard[place].std() < 0.5
    deep, shore = (np.abs(np.fft.rfft(sound)) ** 2 for sound in heard.values())
    low = [float(power[: len(power) * 300 // 24_000].sum() / power.sum()) for power in (deep, shore)]
    assert low[0] > low[1] + 0.1, "water hums, surf hisses"
    with av.open(io.BytesIO(free[1])) as container:
        assert not container.streams.audio, "nobody asked for sound"


def test_given_sound_is_kept_and_who_jumps_comes_down_at_its_strokes(installed: Server) -> None:
    jumps = {"prompt": "a penguin jumps in the snow", "steps": 20}
    early, late = (5, 26), (15, 36)  # frames of the strokes of two drums, each half way between the other's
    for strokes, between in ((early, late), (late, early)):
        drum = drummed(*strokes)
        film, file = made(installed, **jumps, media={"audio_inputs": [{"audio": wav(drum)}]})
        sound = sound_of(file)[: 2 * 48_000]
        assert np.corrcoef(sound, drum[: len(sound)])[0, 1] > 0.95
        assert height(film, between) - height(film, strokes) > 3


def drummed(*strokes: int) -> np.ndarray:
    """Three seconds with a stroke of a drum at each of these frames."""
    beats = np.zeros(3 * 48_000, np.float32)
    ring = np.sin(2 * np.pi * 90 * np.arange(12_000) / 48_000) * np.exp(-np.arange(12_000) / 3_000)
    for start in (frame * 2_000 for frame in strokes):
        beats[start : start + 12_000] += 0.6 * ring
    return beats


def height(film: Film, frames: tuple[int, ...]) -> float:
    """How high what moves stands in these frames, in percent of the picture."""
    moving = (np.abs(film - np.median(film, 0)).sum(-1) ** 2).sum(2)[list(frames)]
    return float((100 * (moving * np.arange(HEIGHT)[::-1]).sum(1) / moving.sum(1) / HEIGHT).mean())


def sound_of(file: bytes) -> np.ndarray:
    """Its left side, 48,000 samples a second."""
    with av.open(io.BytesIO(file)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def wav(mono: np.ndarray) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 48_000, len(mono), "NONE", "not compressed"))
        written.writeframes((mono * 32_767).astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()


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
        ({"reference_images": ["https://example.org/a", "https://example.org/b"]}, None, "invalid_value"),
        ({"audio_inputs": ["https://example.org/a.wav"] * 2}, "media.audio_inputs", "invalid_value"),
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
    whole = base64.b64decode(png(drawn("red", "green", (9, 9))))
    broken = base64.b64encode(whole[:80] + bytes(len(whole) - 92) + whole[-12:]).decode()  # both ends are as they were
    seen = installed.ended(installed.create(**{**ASKED, "media": {"frame_images": [broken]}}))
    assert seen["status"] == "failed"
    assert seen["error"]["code"] == "image_undecodable"
    assert "media.frame_images[0]" in seen["error"]["message"]


def test_the_job_says_what_was_done_to_its_inputs(installed: Server) -> None:
    body = {**ASKED, "seconds": "1", "media": {"frame_images": [png(drawn("red", "green", (9, 9))[:, :160])]}}
    del body["prompt"]  # a picture is enough
    done = installed.completed(installed.create(**body))
    assert "which cuts off 44% of the height; the model sees it at 144×80" in str(done)
