"""The looks that `rushes doctor` takes, one function each."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rushes.catalogue.card import Card
from rushes.catalogue.wording import listed
from rushes.contract.media import FrameImage, Media
from rushes.settings import Settings

OK, NOTE, MISSING = "ok", "note", "missing"

ENCODERS = {"libx264": "MP4", "libvpx-vp9": "WEBM", "aac": "sound in MP4", "libopus": "sound in WEBM"}
ENOUGH_DISK_BYTES = 2 * 10**9  # a day of clips on a laptop
ENOUGH_MEMORY_BYTES = 2 * 10**9
WALLS = {
    "user": "root's rights",
    "kernel": "files and network, by the kernel's own rules",
    "memory": "memory",
    "processor": "processor time",
    "writing": "writing",
    "core": "core dumps",
    "processes": "starting processes",
    "descriptors": "opening anything",
}
"""`media.walls` by name, as what is kept from a decoder."""
WALL_OFFERS = "Linux 5.13 and newer has Landlock; as another user than root the rest can be had too"
NO_WALLS = "do not take media from strangers on this machine"
REINSTALL = "pip install --force-reinstall rushes"


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is "ok", "note" (works, could be better) or "missing" (does not work until `remedy` is done)."""

    name: str
    state: str
    found: str
    remedy: str | None = None


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Everything worth knowing before the first video, needed things first."""
    return (
        python(),
        *media(),
        decoder(),
        runtime(),
        weights(),
        *added(settings),
        cores(),
        *memory(),
        *disk(settings.storage.data),
        port(settings.door.host, settings.door.port),
    )


def python() -> Finding:
    here = f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()} {sys.platform}"
    return Finding("python", OK, here)


def media() -> Iterator[Finding]:
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except ImportError as error:
        yield Finding("media", MISSING, f"PyAV cannot be loaded: {error}", "pip install --force-reinstall av")
        return
    yield Finding("media", OK, f"PyAV {av.__version__} with FFmpeg {getattr(av, 'ffmpeg_version_info', 'unknown')}")
    absent = []
    for name in ENCODERS:
        try:
            Codec(name, "w")
        except UnknownCodecError:
            absent.append(name)
    if absent:
        lost = ", ".join(f"{name} ({ENCODERS[name]})" for name in absent)
        remedy = "PyAV's wheels have them: pip install --force-reinstall --only-binary :all: av"
        yield Finding("encoders", MISSING, f"absent: {lost}", remedy)
    else:
        yield Finding("encoders", OK, ", ".join(ENCODERS))


def decoder() -> Finding:
    """Which walls stand around the process that opens foreign media, tried from inside."""
    from rushes.errors import Unavailable
    from rushes.media import decode

    try:
        found = decode.walls()
    except Unavailable as error:
        return Finding("decoder", MISSING, error.message, "images, clips and sound of requests cannot be opened")
    finally:
        decode.close()
    standing = listed([WALLS[name] for name, stands in found.standing.items() if stands], "and")
    if found.holes:
        return Finding("decoder", MISSING, f"a decoder could still {listed(found.holes, 'and')}", NO_WALLS)
    absent = [WALLS[name] for name, stands in found.standing.items() if not stands]
    if absent:
        return Finding("decoder", NOTE, f"walled off: {standing}; not: {listed(absent, 'and')}", WALL_OFFERS)
    return Finding("decoder", OK, f"walled off: {standing}")


def runtime() -> Finding:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        remedy = "pip install --force-reinstall onnxruntime"
        return Finding("onnxruntime", MISSING, f"cannot be loaded: {error}", remedy)
    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    return Finding("onnxruntime", OK, f"{onnxruntime.__version__} ({providers})")


def weights() -> Finding:
    """The embedded model's files against the hashes in SHA256SUMS beside them."""
    from rushes.models.mini.config import PACKAGED_WEIGHTS

    return weights_in(PACKAGED_WEIGHTS)


def weights_in(folder: Path) -> Finding:
    wanted = ("mini.json", "transformer.onnx", "decoder.onnx")
    absent = [name for name in wanted if not (folder / name).is_file()]
    if absent:
        return Finding("weights", MISSING, f"rushes/mini lacks {', '.join(absent)}", REINSTALL)
    total_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    sums = folder / "SHA256SUMS"
    listed_sums = sums.read_text("utf-8", "replace").splitlines() if sums.is_file() else []
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in listed_sums)}
    for name in dict.fromkeys((*digests, *(wanted if sums.is_file() else ()))):
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digests.get(name):
            return Finding("weights", MISSING, f"rushes/mini: {name} is damaged", REINSTALL)
    try:
        revision = json.loads((folder / "mini.json").read_text("utf-8"))["revision"]
    except (ValueError, KeyError, TypeError):
        return Finding("weights", MISSING, "rushes/mini: mini.json is damaged", REINSTALL)
    found = f"rushes/mini revision {revision}, {total_bytes / 1e6:.1f} MB"
    if not digests:
        return Finding("weights", NOTE, f"{found}; no SHA256SUMS beside them, so not checked")
    return Finding("weights", OK, f"{found}, hashes match")


def added(settings: Settings) -> Iterator[Finding]:
    """The models whose weights were added, and by which plan each would run."""
    from importlib.util import find_spec

    from rushes.acceleration.plan import planned
    from rushes.assemble import build_catalogue, build_shelf

    try:
        cards = {offer.card.id: offer.card for offer in build_catalogue(settings).offers() if offer.card.weights}
        entries = tuple(build_shelf(settings).entries())
    except OSError as error:
        fault = f"which models were added cannot be read in {error.filename}: {error.strerror}"
        yield Finding("model", MISSING, fault, "run it as the user whose server it is")
        return
    for entry in entries:
        if entry.id not in cards:
            fault = f"{entry.id} is not offered: its files in {entry.folder} are not what was added"
            yield Finding("model", MISSING, fault, f"rushes models verify {entry.id}")
    if not cards:
        return
    if find_spec("torch") is None or find_spec("diffusers") is None:
        yield Finding("torch", MISSING, f"absent, which {listed(cards, 'and')} run on", "pip install 'rushes[torch]'")
        return
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else "no GPU: minutes become hours on a CPU"
    yield Finding("torch", OK if device == "cuda" else NOTE, f"{torch.__version__}, {where}")
    for card in cards.values():
        for quality in card.rules.qualities:
            plan = planned(card, device, quality)
            if plan is not None:
                yield Finding("model", OK, f"{card.id}, quality {quality}: {plan.said()}")
        yield from fit(card, settings)


def fit(card: Card, settings: Settings) -> Iterator[Finding]:
    """What a video of the model's default size needs of the device's memory, and whether that is there."""
    from rushes.acceleration.plan import planned
    from rushes.catalogue.lookup import Catalogue
    from rushes.catalogue.resolve import resolve
    from rushes.contract.request import FAST_QUALITY, VideoRequest
    from rushes.engine.engine import Engine
    from rushes.engine.residency import KeptParts
    from rushes.engine.work import Work
    from rushes.errors import OutOfMemory, RushesError
    from rushes.models.parts import How, Resident

    residency = KeptParts(settings.jobs.memory_bytes or None)
    try:
        adapter = Engine(residency=residency).adapter(card)
        if not isinstance(adapter, Resident):
            return
        request = VideoRequest(model=card.id, prompt="x" if card.rules.prompt.taken else None, media=_least_media(card))
        resolved = resolve(request, Catalogue([card]).find(card.id), lambda: 0)
        needs, there = adapter.needs(resolved, How()), residency.budget_bytes()
        said = f"{card.id}: a default video needs about {needs.size_bytes(apart=False) / 1e9:.1f} GB with all loaded, "
        said += f"{needs.size_bytes(apart=True) / 1e9:.1f} GB with one part at a time; {there / 1e9:.1f} GB are there"
        if not card.stepwise:
            said += " (its parts alone: what is made while they work is not known of a pipeline called whole)"
        work = Work(adapter, resolved, planned(card, adapter.device_kind), residency)
        tried = listed([technique.said for technique in work.plan.tried], "and") if work.plan is not None else ""
        yield Finding("memory", NOTE if tried else OK, f"{said}{f': {tried}' if tried else ''}")
    except OutOfMemory:
        faster = ", or for quality fast" if FAST_QUALITY in card.rules.qualities else ""
        yield Finding("memory", MISSING, said, f"ask for smaller or shorter videos{faster}")
    except RushesError as error:
        yield Finding("model", MISSING, f"{card.id}: {error.message}", f"rushes models verify {card.id}")


def _least_media(card: Card) -> Media:
    needed = card.rules.media.frame_images.needed
    source = "x" if "media.source_video" in card.rules.needs else None
    return Media(frame_images=tuple(FrameImage("x", place) for place in needed), source_video=source)


def cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable == 1:
        return Finding("cores", NOTE, "1 usable", "two cores make a clip in about half the time")
    return Finding("cores", OK, f"{usable} usable")


def memory() -> Iterator[Finding]:
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free_bytes < ENOUGH_MEMORY_BYTES:
        yield Finding("memory", NOTE, f"{free_bytes / 1e9:.1f} GB free", "close something: a worker takes about 1 GB")
    else:
        yield Finding("memory", OK, f"{free_bytes / 1e9:.1f} GB free")


def disk(data: Path) -> Iterator[Finding]:
    """Whether the data folder, or the nearest folder above it that exists, can be written to, and how much is left."""
    there, shown = data, str(data)
    try:
        while not there.exists():
            there, shown = there.parent, f"{data} (will be made)"
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Finding("data", MISSING, f"{shown}: {error.strerror}", "name another folder with --data or RUSHES_DATA")
        return
    yield Finding("data", OK, shown)
    free_bytes = shutil.disk_usage(there).free
    if free_bytes < ENOUGH_DISK_BYTES:
        yield Finding("disk", NOTE, f"{free_bytes / 1e9:.1f} GB free", "a clip takes 0.1 to 10 MB")
    else:
        yield Finding("disk", OK, f"{free_bytes / 1e9:.1f} GB free")


def port(host: str, number: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return Finding("port", NOTE, f"{host}:{number} cannot be had: {error.strerror}", "name another --port")
            other = number + 1 if number < 65535 else 8000
            remedy = f"something else listens there, perhaps another rushes; rushes serve --port {other}"
            return Finding("port", NOTE, f"{host}:{number} is not free: {error.strerror}", remedy)
    return Finding("port", OK, f"{host}:{number} is free")
