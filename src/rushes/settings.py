"""Every setting, its default, and the only reader of the environment.

Each setting is the variable RUSHES_ and its name in capitals, and can be given by name by the command line, which wins.
A variable nobody knows is an error: a typing mistake that is silently ignored costs an evening.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rushes.errors import WrongSetup

PREFIX = "RUSHES_"

NOT_SETTINGS = frozenset({"RUSHES_DEBUG", "RUSHES_FAILPOINT", "RUSHES_API_KEY", "RUSHES_BASE_URL"})
"""Variables of ours that say nothing about the server: for debugging, for tests, and for clients in the same shell."""


def _text(given: str) -> str:
    if not given:
        raise ValueError
    return given


def _switch(given: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words[given.lower()]


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(given: str) -> int:
        value = int(given)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(given: str) -> float:
        value = float(given)
        if not low <= value <= high:  # false for NaN, too
            raise ValueError
        return value

    return parse


def _path(given: str) -> Path:
    try:
        return Path(_text(given)).expanduser().absolute()
    except RuntimeError:  # ~nobody: a home that there is not
        raise ValueError from None


def _folder_of_database(given: str) -> Path:
    """Behind a ? the address of an SQLite file goes on with options: the database would lie in another place."""
    if "?" in given:
        raise ValueError
    return _path(given)


def _web_address(given: str) -> str:
    parts = urlsplit(given)
    # Asking for the port reads it, and raises where it is none.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError
    return given.rstrip("/")


def _origins(given: str) -> tuple[str, ...]:
    """`A,B` as origins, spelled as browsers spell them: no path, no slash at the end."""
    origins = tuple(filter(None, (part.strip() for part in given.split(","))))
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (not parts.hostname or origin.lower() != f"{parts.scheme}://{parts.netloc}".lower()):
            raise ValueError
    return tuple(origin.lower() for origin in origins)


def _ports(given: str) -> tuple[int, ...]:
    return tuple(_whole(1, 65535)(part) for part in given.split(","))


def _hosts(given: str) -> tuple[str, ...]:
    """`A,*.B` as host names in lower case."""
    hosts = tuple(part.strip().lower().rstrip(".") for part in given.split(","))
    if not all(re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+", host) for host in hosts):
        raise ValueError
    return hosts


def _networks(given: str) -> tuple[str, ...]:
    """`A/8,B/32` as networks; one with bits behind its mask is a mistake."""
    return tuple(str(ipaddress.ip_network(part.strip())) for part in given.split(","))


def _pairs(given: str) -> dict[str, str]:
    """`A=B,C=D` as a mapping."""
    pairs = {}
    for pair in filter(None, (part.strip() for part in given.split(","))):
        asked_id, equals, card_id = (part.strip() for part in pair.partition("="))
        if not (asked_id and equals and card_id):
            raise ValueError
        pairs[asked_id] = card_id
    return pairs


def _written(value: object) -> str:
    """`value` in the spelling that the variable would have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={target}" for name, target in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _setting(default: Any, parse: Callable[[str], Any], allowed: str) -> Any:
    """A dataclass field that knows how its value is read and what may be in it; a `default` may be a function."""
    about = {"parse": parse, "allowed": allowed}
    return (
        field(default_factory=default, metadata=about) if callable(default) else field(default=default, metadata=about)
    )


def default_data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where a person's programs keep their data on this platform."""
    environ = os.environ if environ is None else environ
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "rushes"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rushes"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "rushes"


@dataclass(frozen=True, slots=True)
class DoorSettings:
    host: str = _setting("127.0.0.1", _text, "an address of this machine")
    port: int = _setting(8000, _whole(0, 65535), "0 to 65535; 0 takes a free one")
    public_url: str | None = _setting(None, _web_address, "an http or https address without a query")
    """What file URLs begin with; None takes the address that the client itself used."""
    max_body_bytes: int = _setting(64 * 2**20, _whole(1024, 2**40), "a number of bytes, at least 1024")
    strict: bool = _setting(False, _switch, "true or false")
    """Whether an unknown key in a body is refused; it is a warning otherwise."""
    auth: bool = _setting(True, _switch, "true or false")
    cors_origins: tuple[str, ...] = _setting((), _origins, "origins such as https://app.example.org, with commas, or *")
    """Pages that may call from a browser, where the Together TypeScript client runs too; none unless given."""


@dataclass(frozen=True, slots=True)
class JobsSettings:
    database_url: str = _setting("", _text, "an SQLAlchemy URL such as sqlite:////home/me/rushes/jobs.db")
    """Where the jobs are; `jobs.db` in the data directory unless given."""
    lease_s: float = _setting(30.0, _seconds(1, 3600), "1 to 3600 seconds")
    workers: int = _setting(1, _whole(0, 64), "0 to 64; 0 leaves the work to workers started elsewhere")
    worker_name: str = _setting("", _text, "a name that no other worker has or had")
    checkpoint_every_s: float = _setting(5.0, _seconds(0, 3600), "0 to 3600 seconds; 0 saves after every step")
    """The least time between two checkpoints of a clip, which is what a crash costs at most."""
    preview_every_s: float = _setting(5.0, _seconds(0, 3600), "0 to 3600 seconds; 0 makes none")
    """The least time between two pictures of an unfinished clip."""
    stall_loading_s: float = _setting(600.0, _seconds(1, 86400), "1 to 86400 seconds")
    """How long loading a model may take, and the first step, before its worker counts as hung."""
    stall_encoding_s: float = _setting(120.0, _seconds(1, 86400), "1 to 86400 seconds")
    """How long reading the prompt and what comes with it may take."""
    stall_step_s: float = _setting(60.0, _seconds(1, 86400), "1 to 86400 seconds")
    """How long a denoising step may take, unless those before it took more than a tenth of that."""
    stall_decoding_s: float = _setting(300.0, _seconds(1, 86400), "1 to 86400 seconds")
    """How long the next frames may take to come out of the decoder and into the file."""
    stall_storing_s: float = _setting(300.0, _seconds(1, 86400), "1 to 86400 seconds")
    """How long putting the finished file in its place may take."""
    max_queued: int = _setting(10_000, _whole(0, 10**9), "a number of videos; 0 sets no limit")
    """How many may wait; more are refused with 429."""
    max_queued_per_owner: int = _setting(0, _whole(0, 10**9), "a number of videos; 0 sets no limit")
    """How many of one key's owner may wait."""
    max_running_per_owner: int = _setting(0, _whole(0, 10**9), "a number of videos; 0 sets no limit")
    """How many of one key's owner are made at a time; the others wait, also where a worker is free."""
    max_seconds_per_day: float = _setting(0.0, _seconds(0, 10**9), "seconds of video; 0 sets no limit")
    """How much video one key's owner may ask for within 24 hours."""
    memory_bytes: int = _setting(0, _whole(0, 2**50), "a number of bytes; 0 takes what the device has")
    """How much of its device's memory a worker takes for open models and for what they compute."""
    with_parent: bool = _setting(False, _switch, "true or false")
    """Whether a worker ends when its standard input does; set by the host that starts it, with its name."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    data: Path = _setting(  # noqa: RUF009 - a field
        default_data_dir, _folder_of_database, "a directory of this machine's own disk, without ? in its path"
    )
    keep_days: float = _setting(0.0, _seconds(0, 36500), "0 to 36500 days, also parts of one; 0 keeps them")
    """How long a video is kept after its end, together with all that is known of it."""
    low_water_bytes: int = _setting(512 * 2**20, _whole(0, 2**50), "a number of bytes; 0 takes videos until it is full")
    """How much of the disk has to be free for another video to be taken."""


@dataclass(frozen=True, slots=True)
class CatalogueSettings:
    serve_as: Mapping[str, str] = _setting(dict, _pairs, "HOSTED=MODEL, with commas between several, or all=MODEL")
    """Which hosted ids are answered by which model that is really here."""
    models: Path | None = _setting(None, _path, "a directory")  # noqa: RUF009 - a field
    """Where it is kept which models were added, and where downloads go; `models` in the data directory unless given."""


@dataclass(frozen=True, slots=True)
class EgressSettings:
    egress: bool = _setting(True, _switch, "true or false")
    """Whether addresses that clients name are followed; if not, media come inside requests and no webhook is called."""
    egress_http: bool = _setting(False, _switch, "true or false")
    """Whether plain http may be used on the public internet too."""
    egress_ports: tuple[int, ...] = _setting((80, 443), _ports, "ports, with commas")
    egress_hosts: tuple[str, ...] = _setting((), _hosts, "host names, with commas; *.example.org for all below one")
    """The only hosts that may be asked; any unless given."""
    egress_networks: tuple[str, ...] = _setting((), _networks, "networks such as 10.1.0.0/16, with commas")
    """What may be reached besides the public internet, by http too: an object store or a receiver of your own."""
    egress_proxy: str | None = _setting(
        None, _web_address, "an http or https address, with user and password if need be"
    )
    """What every request to an address goes through; it then resolves the names, and guards where they lead."""
    egress_ca_file: Path | None = _setting(None, _path, "a file of certificates in PEM form")  # noqa: RUF009 - a field
    """Certificate authorities to trust besides the public ones."""


ROOMS = {
    "door": DoorSettings,
    "jobs": JobsSettings,
    "storage": StorageSettings,
    "catalogue": CatalogueSettings,
    "egress": EgressSettings,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, by the room they are for."""

    door: DoorSettings
    jobs: JobsSettings
    storage: StorageSettings
    catalogue: CatalogueSettings
    egress: EgressSettings

    @classmethod
    def load(cls, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Defaults, then the environment, then `overrides` by setting name ("port", "data", "serve_as", …).

        An override of None counts as not given, and an empty variable too. Raises `WrongSetup`.
        """
        environ = os.environ if environ is None else environ
        _refuse_unknown(environ)
        # Only ours: PORT and HOST are set for many a program, and would say where this one listens.
        ours = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text}
        given = {name.removeprefix(PREFIX).lower(): (name, text) for name, text in ours.items()}
        given |= {name: (name, _written(value)) for name, value in (overrides or {}).items() if value is not None}
        rooms = {}
        for room, kind in ROOMS.items():
            parsed = {f.name: _parsed(f.metadata, *given[f.name]) for f in fields(kind) if f.name in given}
            rooms[room] = kind(**parsed)
        return _completed(cls(**rooms))

    def environment(self) -> dict[str, str]:
        """These settings as variables, for a program that is started with them."""
        values = {f.name: getattr(getattr(self, room), f.name) for room, kind in ROOMS.items() for f in fields(kind)}
        return {
            PREFIX + name.upper(): _written(value) for name, value in values.items() if value not in (None, "", {}, ())
        }


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = sorted(PREFIX + f.name.upper() for kind in ROOMS.values() for f in fields(kind))
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and name not in NOT_SETTINGS:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise WrongSetup(f"{name}: no such setting. Hint: {hint}")


def _parsed(about: Mapping[str, Any], name: str, text: str) -> Any:
    try:
        return about["parse"](text)
    except (ValueError, KeyError):
        raise WrongSetup(field=name, given=text, allowed=about["allowed"]) from None


def _completed(settings: Settings) -> Settings:
    """Settings that follow from others, and the pairs that must not be set together."""
    door, jobs = settings.door, settings.jobs
    if not door.auth and not is_loopback(door.host):
        raise WrongSetup(
            field="auth",
            given=f"false, with host {door.host}",
            allowed="false only where nobody but this machine can connect: 127.0.0.1, ::1 or localhost",
        )
    if not door.auth and "*" in door.cors_origins:
        raise WrongSetup(
            field="cors_origins",
            given="*, with auth false",
            allowed="origins by name: any page that somebody on this machine opens could otherwise use the server",
        )
    if not jobs.database_url:
        jobs = replace(jobs, database_url=f"sqlite:///{settings.storage.data / 'jobs.db'}")
    catalogue = settings.catalogue
    if catalogue.models is None:
        catalogue = replace(catalogue, models=settings.storage.data / "models")
    return replace(settings, jobs=jobs, catalogue=catalogue)


def is_loopback(host: str) -> bool:
    """Whether `host`, as given to a server, is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
