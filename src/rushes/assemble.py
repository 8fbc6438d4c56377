"""Builds the rooms from the settings and hands them to each other. The one place that knows them all.

Imports of the door and of the engine stay inside their functions: a door must start without a tensor library, and
a worker has no use for a web framework.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.catalogue.card import AddedLora, Card
from rushes.catalogue.cards import CARDS, OPEN, whole
from rushes.catalogue.lookup import Catalogue
from rushes.contract.artifact import Artifact
from rushes.contract.job import Job
from rushes.egress.policy import EgressPolicy
from rushes.errors import WrongSetup
from rushes.failpoints import VARIABLE as FAILPOINTS
from rushes.jobs.database import sqlite_file
from rushes.jobs.host import Host
from rushes.jobs.limits import QueueLimits
from rushes.jobs.prune import Pruner
from rushes.jobs.stall import StallLimits
from rushes.jobs.store import JobStore
from rushes.jobs.worker import Worker
from rushes.settings import PREFIX, Settings
from rushes.storage.ballast import Ballast
from rushes.storage.local import LocalStorage
from rushes.storage.scratch import own_scratch
from rushes.videos import Videos
from rushes.weights.checkpoint import changed
from rushes.weights.licence import UNSTATED, free
from rushes.weights.shelf import Entry, Shelf

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rushes.engine.engine import Engine
    from rushes.events.webhooks import Webhooks

log = logging.getLogger(__name__)

HANDED_ON = (FAILPOINTS, f"{PREFIX}DEBUG")
"""Variables of ours that are no settings and hold for workers too."""

WORKER_ARGV = (sys.executable, "-m", "rushes", "worker")


def build_catalogue(settings: Settings) -> Catalogue:
    """The models that are here, and the hosted ids mapped to them. Raises `InvalidValue` for a map to nowhere."""
    return Catalogue((*CARDS, *_added(settings)), settings.catalogue.serve_as)


def build_shelf(settings: Settings) -> Shelf:
    """Which models were added on this machine."""
    return Shelf(settings.catalogue.models or settings.storage.data / "models")


def _added(settings: Settings) -> Iterator[Card]:
    """The cards of the models that were added. One that is not as it was is left out: it must not stop the others."""
    shelf = build_shelf(settings)
    for id in shelf.unreadable():
        log.warning("the model %s is not offered: what was remembered of it is damaged; add it again", id)
    for entry in shelf.entries():
        card = card_of(entry)
        fault = changed(entry.folder, entry.files, whole=False)
        if card is None or card.weights is None or fault is not None:
            log.warning("the model %s is not offered: %s", entry.id, fault or f"this version knows no {entry.like}")
            continue
        if entry.accepted is None and not free(entry.licence or card.licence):
            log.warning("the model %s is not offered: its licence was not accepted; add it again", entry.id)
            continue
        name = card.display_name if entry.id == entry.like else entry.id
        weights = replace(card.weights, folder=str(entry.folder))
        licence = entry.licence or card.licence
        rules = card.rules.with_loras(tuple(added_loras(shelf, entry.id)))
        yield replace(
            card,
            id=entry.id,
            display_name=name,
            revision=entry.revision,
            licence=licence,
            weights=weights,
            rules=rules,
        )


def added_loras(shelf: Shelf, id: str) -> Iterator[AddedLora]:
    """The LoRAs of the model `id` whose files are there. One that is not as it was leaves its model as it is."""
    for entry in shelf.loras(id):
        fault = changed(entry.folder, entry.files, whole=False)
        if fault is not None:
            log.warning("the LoRA %s of %s is not offered: %s", entry.name, id, fault)
            continue
        yield AddedLora(entry.name, entry.revision, entry.paths(), entry.reads, entry.shrunk)


def card_of(entry: Entry) -> Card | None:
    """The card that `entry` is made by, without its folder; None where this version knows none."""
    if entry.like == whole.LIKE:
        pipeline = whole.Pipeline.remembered(entry.facts)
        return (
            None if pipeline is None else whole.card(entry.id, pipeline, int(entry.added_at), entry.licence or UNSTATED)
        )
    return next((card for card in OPEN if card.id == entry.like), None)


def build_store(settings: Settings) -> JobStore:
    """The job database, made where missing. One per process; its owner closes it. Raises `WrongSetup`."""
    jobs = settings.jobs
    limits = QueueLimits(
        max_queued=jobs.max_queued or None,
        max_queued_per_owner=jobs.max_queued_per_owner or None,
        max_running_per_owner=jobs.max_running_per_owner or None,
        max_seconds_per_day_per_owner=jobs.max_seconds_per_day or None,
    )
    return JobStore(jobs.database_url, limits=limits, disk=build_ballast(settings))


def build_ballast(settings: Settings) -> Ballast:
    """The watch over the disk, with its reserve beside the SQLite file, or in the data folder where there is none."""
    data, file = settings.storage.data, sqlite_file(settings.jobs.database_url)
    folders = (data,) if file is None else (file.parent, data)
    return Ballast(*folders, low_water_bytes=settings.storage.low_water_bytes)


def build_pruner(settings: Settings, store: JobStore) -> Pruner:
    """What clears away: expired videos, files without a row, and the gap where the ballast was."""
    keep_days = settings.storage.keep_days
    return Pruner(
        store,
        artifacts=build_storage(settings),
        checkpoints=build_checkpoints(settings),
        others=(build_inputs(settings), build_previews(settings)),
        keep_s=keep_days * 86_400 if keep_days else None,
        besides=build_ballast(settings).restore,
    )


def build_storage(settings: Settings) -> LocalStorage:
    return LocalStorage(settings.storage.data / "artifacts")


def build_checkpoints(settings: Settings) -> LocalStorage:
    """Where half-made clips lie: every worker that may go on with another's must see it."""
    return LocalStorage(settings.storage.data / "checkpoints")


def build_inputs(settings: Settings) -> LocalStorage:
    """Where the files lie that requests brought along: the door puts them, the workers read them."""
    return LocalStorage(settings.storage.data / "inputs")


def build_previews(settings: Settings) -> LocalStorage:
    """Where the looks at unfinished clips lie: workers put them, the door shows them."""
    return LocalStorage(settings.storage.data / "previews")


def build_egress(settings: Settings) -> EgressPolicy:
    """Where requests to addresses that clients name may go. Raises `WrongSetup` where certificates cannot be read."""
    egress = settings.egress
    if egress.egress_ca_file is not None:
        from rushes.egress.exchange import trusted

        try:
            trusted(egress.egress_ca_file)
        except OSError:  # an ssl.SSLError is one
            raise WrongSetup(
                field="egress_ca_file", given=egress.egress_ca_file, allowed="a file of certificates in PEM form"
            ) from None
    return EgressPolicy(
        enabled=egress.egress,
        http=egress.egress_http,
        ports=frozenset(egress.egress_ports),
        hosts=egress.egress_hosts,
        networks=tuple(map(ip_network, egress.egress_networks)),
        proxy=egress.egress_proxy,
        ca_file=egress.egress_ca_file,
    )


def build_webhooks(settings: Settings, store: JobStore, base_url: str) -> Webhooks:
    """What tells webhooks that their videos have ended; `base_url` is where their receivers reach this server."""
    from rushes.api.files import video_url
    from rushes.api.together import video_reply
    from rushes.events.webhooks import Webhooks

    def described(job: Job) -> dict[str, Any]:
        return video_reply(job, video_url(base_url, job)).model_dump()

    return Webhooks(store.deliveries, described, build_egress(settings))


def build_videos(settings: Settings, store: JobStore) -> Videos:
    return Videos(
        build_catalogue(settings),
        store,
        build_storage(settings),
        inputs=build_inputs(settings),
        egress=build_egress(settings),
        previews=build_previews(settings),
    )


def build_door(settings: Settings, store: JobStore) -> FastAPI:
    """The HTTP door. Needs no worker to be there: what it accepts waits in the store."""
    from rushes.api.app import create_app
    from rushes.api.door import LOOKING, LOOKING_FAR

    door, in_a_file = settings.door, sqlite_file(settings.jobs.database_url) is not None
    return create_app(
        build_videos(settings, store),
        keys=store.keys if door.auth else None,
        public_url=door.public_url,
        strict=door.strict,
        max_body_bytes=door.max_body_bytes,
        cors_origins=door.cors_origins,
        looking=LOOKING if in_a_file else LOOKING_FAR,
    )


def first_key(settings: Settings, store: JobStore) -> str | None:
    """The first API key of this database, to be shown now and never again; None where there is one, or none is needed.

    Only its digest is stored. It also opens what was made while keys were off.
    """
    if not settings.door.auth:
        return None
    from rushes.api.auth import LOCAL_OWNER, key_digest, new_key

    key = new_key()
    return key if store.keys.add_first(key_digest(key), LOCAL_OWNER) else None


def build_host(settings: Settings, store: JobStore) -> Host:
    """The parent of this machine's workers, which get these very settings by their environment."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name in HANDED_ON}
    return Host(
        store,
        WORKER_ARGV,
        count=settings.jobs.workers,
        environment={**others, **settings.environment()},
        stopped_s=settings.jobs.lease_s,
    )


def build_engine(settings: Settings) -> Engine:
    """The loop over the models; loads a model at its first clip."""
    from rushes.engine.engine import Engine
    from rushes.engine.residency import KeptParts

    shelf = build_shelf(settings)

    def hashes() -> dict[Path, str]:
        return {entry.folder / file.name: file.sha256 for entry in shelf.entries() for file in entry.files}

    return Engine(residency=KeptParts(settings.jobs.memory_bytes or None, hashes))


def build_worker(settings: Settings) -> Worker:
    """A worker for every model that is here, with a store of its own."""
    from rushes.perform import perform

    catalogue = build_catalogue(settings)
    storage = build_storage(settings)
    checkpoints, inputs = build_checkpoints(settings), build_inputs(settings)
    for room in (storage, checkpoints, inputs):
        room.sweep()
    store = build_store(settings)
    name = settings.jobs.worker_name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    scratch = own_scratch(settings.storage.data / "scratch", name, partial(_give_back, store))

    def discard(artifact: Artifact) -> None:
        storage.delete(artifact.key)

    return Worker(
        store,
        partial(
            perform,
            catalogue=catalogue,
            engine=build_engine(settings),
            storage=storage,
            scratch=scratch,
            checkpoints=checkpoints,
            checkpoint_every_s=settings.jobs.checkpoint_every_s,
            previews=build_previews(settings),
            preview_every_s=settings.jobs.preview_every_s,
            inputs=inputs,
            policy=build_egress(settings),
        ),
        name=name,
        models=sorted({offer.card.id for offer in catalogue.offers()}),
        discard=discard,
        forget=checkpoints.delete,
        lease_s=settings.jobs.lease_s,
        stalls=_stall_limits(settings),
    )


def _give_back(store: JobStore, worker: str) -> None:
    for job in store.rescue(worker=worker):
        log.warning("job %s taken back from %s, which is dead: %s", job.id, worker, job.state)


def _stall_limits(settings: Settings) -> StallLimits:
    jobs = settings.jobs
    return StallLimits(
        loading_s=jobs.stall_loading_s,
        encoding_s=jobs.stall_encoding_s,
        step_s=jobs.stall_step_s,
        decoding_s=jobs.stall_decoding_s,
        storing_s=jobs.stall_storing_s,
    )
